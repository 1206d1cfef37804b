// Reads an AsyncAPI document by the project's own parser and prints what it thinks of it, as JSON.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const channels = document ? document.allChannels().all() : [];
process.stdout.write(
  JSON.stringify({
    diagnostics: diagnostics.map(({ severity, path, message }) => ({ severity, path: path.join("."), message })),
    channels: channels.map((channel) => channel.address()),
    messages: document ? document.allMessages().all().map((message) => message.id()) : [],
  }),
);
