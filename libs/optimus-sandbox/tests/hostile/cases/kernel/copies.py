import hostile
import asyncio, os, shutil, socket, subprocess, tempfile

DATA = bytes(range(256)) * 1200
folder = tempfile.mkdtemp()
source = os.path.join(folder, "source")
with open(source, "wb") as file:
    file.write(DATA)
through = []


def same(way, data):
    if data != DATA:
        through.append(f"{way}: {len(data)} bytes")


def contents(path):
    with open(path, "rb") as file:
        return file.read()


for name in ("copyfile", "copy", "copy2", "move"):
    target = os.path.join(folder, name)
    if name == "move":
        shutil.move(os.path.join(folder, "copy"), "/dev/shm/moved")
        target = "/dev/shm/moved"
    else:
        getattr(shutil, name)(source, target)
    same(name, contents(target))
with open(source, "rb") as file, tempfile.TemporaryFile() as target:
    shutil.copyfileobj(file, target)
    target.seek(0)
    same("copyfileobj", target.read())
# What the kernel itself is asked for, and says.
with open(source, "rb") as file, open(os.path.join(folder, "sent"), "wb") as target:
    try:
        os.sendfile(target.fileno(), file.fileno(), 0, len(DATA))
        through.append("sendfile")
    except OSError:
        pass


def received(send):
    listener = socket.create_server(("127.0.0.1", 0))
    child = os.fork()
    if child == 0:
        with socket.create_connection(listener.getsockname()) as connection, open(source, "rb") as file:
            send(connection, file)
        os._exit(0)
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as stream:
        data = stream.read()
    os.waitpid(child, 0)
    return data


same("socket.sendfile", received(lambda connection, file: connection.sendfile(file)))


def by_loop(connection, file):
    async def send():
        connection.setblocking(False)
        _, writer = await asyncio.open_connection(sock=connection)
        await asyncio.get_running_loop().sendfile(writer.transport, file)
        writer.close()
        await writer.wait_closed()

    asyncio.run(send())


same("asyncio.sendfile", received(by_loop))
for command in ("cat source", "cat < source", "cat source | cat", "cp source copied && cat copied", "dd if=source bs=64k 2>&-",
                "head -c 307200 source", "tail -c 307200 source", "tail -c +1 source", "tee teed < source", "cat < source > o; cat o"):
    same(command, subprocess.run(command, shell=True, cwd=folder, capture_output=True).stdout)
if subprocess.run("yes | head -c 100000 | wc -c", shell=True, capture_output=True).stdout.strip() != b"100000":
    through.append("yes")
print(*through or ["withstood"], sep="\n")
