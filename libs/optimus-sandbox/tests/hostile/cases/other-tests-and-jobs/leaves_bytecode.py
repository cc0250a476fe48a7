import hostile
import importlib.util, os, py_compile

if hostile.number == 1:
    with open("/tmp/forged.py", "w") as file:
        file.write("print('honest 37')\nraise SystemExit\n")
    for place in ("/box", "/tmp"):
        os.makedirs(f"{place}/__pycache__", exist_ok=True)
        cached = f"{place}/__pycache__/" + os.path.basename(importlib.util.cache_from_source("/box/hostile.py"))
        py_compile.compile("/tmp/forged.py", cfile=cached, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        py_compile.compile("/tmp/forged.py", cfile=f"{place}/hostile.pyc")
elif os.path.exists("/box/__pycache__"):
    print("the cache is still there")
print("withstood")
