# Copies a .proto file with the strings that may hold a NUL as bytes (the same on the wire).
file(READ ${IN} text)
string(REGEX REPLACE "string (expr|string_value) =" "bytes \\1 =" text "${text}")
file(WRITE ${OUT} "${text}")
