import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Four limits with a deadband for each of 200 readings of a scan; a record out for what changes.
 * Arguments: broker, topic in, topic out, "json" or "block", readings to be taken, folder for state.
 */
public final class Limits {
  private static final String[] CHANNELS = {"voltage", "resistance", "temperature", "level"};
  /** Low alarm, low warning, high warning, high alarm, deadband, by channel, as the registers count. */
  private static final int[][] LIMITS = {
    {1308, 1326, 1350, 1368, 2}, {-1, -1, 372, 403, 5}, {-1, -1, 350, 450, 10}, {-1, -1, 1, 2, 0},
  };
  private static final int MODULES = 50;
  private static final int SCAN = MODULES * CHANNELS.length;
  private static final String STORE = "states";

  private static long begun;
  private static long halfAt;
  private static long halfTaken;
  private static long taken;
  private static long changed;
  private static long wanted;
  private static final CountDownLatch DONE = new CountDownLatch(1);

  private Limits() {}

  private static byte level(int[] limits, int value, byte old) {
    int back = limits[4];
    if (value <= limits[0] + (old == -2 ? back : 0)) return -2;
    if (value >= limits[3] - (old == 2 ? back : 0)) return 2;
    if (value <= limits[1] + (old < 0 ? back : 0)) return -1;
    if (value >= limits[2] - (old > 0 ? back : 0)) return 1;
    return 0;
  }

  private abstract static class Base implements Processor<String, byte[], String, String> {
    ProcessorContext<String, String> context;
    KeyValueStore<String, byte[]> store;

    @Override
    public void init(ProcessorContext<String, String> given) {
      context = given;
      store = given.getStateStore(STORE);
    }

    @Override
    public void process(Record<String, byte[]> record) {
      if (taken == 0) begun = System.nanoTime();
      byte[] states = store.get(record.key());
      if (states == null) states = new byte[SCAN];
      taken += take(record, states);
      store.put(record.key(), states);
      if (halfAt == 0 && 2 * taken >= wanted) {
        halfAt = System.nanoTime();
        halfTaken = taken;
      }
      if (taken >= wanted) DONE.countDown();
    }

    abstract int take(Record<String, byte[]> record, byte[] states);
  }

  private static final class Json extends Base {
    private final ObjectMapper mapper = new ObjectMapper();

    @Override
    int take(Record<String, byte[]> record, byte[] states) {
      try {
        JsonNode frame = mapper.readTree(record.value());
        for (int channel = 0; channel < CHANNELS.length; channel++) {
          JsonNode values = frame.get(CHANNELS[channel]);
          for (int module = 0; module < MODULES; module++) {
            int at = channel * MODULES + module;
            byte old = states[at];
            byte now = level(LIMITS[channel], values.get(module).asInt(), old);
            if (now != old) {
              states[at] = now;
              changed++;
              String body = "{\"from\":" + old + ",\"to\":" + now + "}";
              context.forward(new Record<>(record.key() + "/" + CHANNELS[channel] + "/" + module, body, record.timestamp()));
            }
          }
        }
        return SCAN;
      } catch (IOException fault) {
        throw new UncheckedIOException(fault);
      }
    }
  }

  private static final class Block extends Base {
    @Override
    int take(Record<String, byte[]> record, byte[] states) {
      byte[] words = record.value();
      int count = words.length / 2;
      StringBuilder out = new StringBuilder();
      for (int i = 0; i < count; i++) {
        int at = i % SCAN;
        byte old = states[at];
        byte now = level(LIMITS[at / MODULES], (words[2 * i] & 255) << 8 | words[2 * i + 1] & 255, old);
        if (now != old) {
          states[at] = now;
          changed++;
          out.append(out.length() == 0 ? '[' : ',').append("{\"at\":").append(at);
          out.append(",\"from\":").append(old).append(",\"to\":").append(now).append('}');
        }
      }
      if (out.length() > 0) context.forward(new Record<>(record.key(), out.append(']').toString(), record.timestamp()));
      return count;
    }
  }

  public static void main(String[] given) throws InterruptedException {
    wanted = Long.parseLong(given[4]);
    Properties settings = new Properties();
    settings.put("application.id", "peer-" + given[1]);
    settings.put("bootstrap.servers", given[0]);
    settings.put("processing.guarantee", "at_least_once");
    settings.put("num.stream.threads", "1");
    settings.put("state.dir", given[5]);
    settings.put("auto.offset.reset", "earliest");
    settings.put("replication.factor", "1");
    settings.put("commit.interval.ms", "100");
    boolean isJson = given[3].equals("json");
    Topology topology = new Topology();
    topology.addSource("in", Serdes.String().deserializer(), Serdes.ByteArray().deserializer(), given[1]);
    topology.addProcessor("limits", () -> isJson ? new Json() : new Block(), "in");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE), Serdes.String(), Serdes.ByteArray()), "limits");
    topology.addSink("out", given[2], Serdes.String().serializer(), Serdes.String().serializer(), "limits");
    KafkaStreams streams = new KafkaStreams(topology, settings);
    streams.start();
    DONE.await();
    long now = System.nanoTime();
    double whole = taken / ((now - begun) / 1e9);
    double second = (taken - halfTaken) / ((now - halfAt) / 1e9);
    System.out.printf("{\"whole\": %.0f, \"second_half\": %.0f, \"changes\": %d}%n", whole, second, changed);
    Runtime.getRuntime().halt(0);
  }
}
