"""The box: students' code in a process of its own, from which nothing but plain arrays comes back.

`server` keeps a warm process and forks a child for each exercise; `isolate` shuts the child in; `runner` is what the
child does; `wire` is the language between it and the trusted side; `remote` is how the checks see the answer.
"""
