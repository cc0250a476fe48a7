import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

public class Main {
    static final byte[] DATA = "copied ".repeat(40_000).getBytes();
    static final Path SOURCE = Path.of("/tmp/source");
    static final StringBuilder THROUGH = new StringBuilder();

    static void same(String way, byte[] got) {
        if (!Arrays.equals(got, DATA)) THROUGH.append(way).append(": ").append(got.length).append(" bytes\n");
    }

    static void send(WritableByteChannel to) throws Exception {
        try (FileChannel from = FileChannel.open(SOURCE); to) {
            for (long at = 0; at < from.size();) at += from.transferTo(at, from.size() - at, to);
        }
    }

    static byte[] received(InputStream from, WritableByteChannel to) throws Exception {
        Throwable[] failure = new Throwable[1];
        Thread sender = new Thread(() -> {
            try {
                send(to);
            } catch (Throwable error) {
                failure[0] = error;
            }
        });
        sender.start();
        byte[] got = from.readAllBytes();
        sender.join();
        if (failure[0] != null) THROUGH.append(failure[0]).append('\n');
        return got;
    }

    public static void main(String[] arguments) throws Exception {
        Hostile.main();
        Files.write(SOURCE, DATA);
        Files.copy(SOURCE, Path.of("/tmp/copied"));
        same("Files.copy", Files.readAllBytes(Path.of("/tmp/copied")));
        Files.move(Path.of("/tmp/copied"), Path.of("/dev/shm/moved"));
        same("Files.move", Files.readAllBytes(Path.of("/dev/shm/moved")));

        try (var target = new java.io.FileOutputStream("/tmp/sent")) {
            send(target.getChannel());
        }
        same("file to file", Files.readAllBytes(Path.of("/tmp/sent")));

        ByteArrayOutputStream memory = new ByteArrayOutputStream();
        send(Channels.newChannel(memory));
        same("file to memory", memory.toByteArray());

        Pipe pipe = Pipe.open();
        same("file to pipe", received(Channels.newInputStream(pipe.source()), pipe.sink()));

        try (ServerSocketChannel listener = ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", 0))) {
            SocketChannel to = SocketChannel.open(listener.getLocalAddress());
            SocketChannel from = listener.accept();
            same("file to socket", received(Channels.newInputStream(from), to));
        }
        try (FileChannel target = new java.io.RandomAccessFile("/tmp/taken", "rw").getChannel(); FileChannel from = FileChannel.open(SOURCE)) {
            target.transferFrom(from, 0, DATA.length);
        }
        same("transferFrom", Files.readAllBytes(Path.of("/tmp/taken")));

        Process child = new ProcessBuilder("cat", SOURCE.toString()).start();
        try (InputStream output = child.getInputStream()) {
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            output.transferTo(all);
            same("child", all.toByteArray());
        }
        System.out.println(THROUGH.length() == 0 ? "withstood" : THROUGH);
    }
}
