"""The compiled part: what is done for every record or reading and costs most as steps of Python, written in Cython.

Each module is a `.pyx` with a stub `.pyi` of the same name beside it; `make setup` builds them in place.

Promises: functions of bytes, numbers and lists, with the same answer each time. Refuses: to import anything of ours, so
it knows no error of ours either (a ValueError says what is wrong), and to be there without having been built: an
import of such a module fails then, there is no second version in Python.
"""
