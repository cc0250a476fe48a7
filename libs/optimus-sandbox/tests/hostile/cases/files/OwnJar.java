import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

public class Main {
    interface Try {
        void run() throws IOException;
    }

    static void attempt(String what, Try attempt) {
        try {
            attempt.run();
            System.out.println(what);
        } catch (IOException e) {
        }
    }

    public static void main(String[] args) throws Exception {
        Hostile.main();
        Path jar = Path.of("/box/.optimus/main.jar");
        attempt("written", () -> Files.write(jar, new byte[10]));
        attempt("deleted", () -> Files.delete(jar));
        Path other = Files.write(Path.of("/box/other.jar"), new byte[10]);
        attempt("moved over", () -> Files.move(other, jar, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE));
        System.out.println("withstood");
    }
}
