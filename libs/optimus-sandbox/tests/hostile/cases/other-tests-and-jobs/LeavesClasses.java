import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

public class Main {
    public static void main(String[] args) throws Exception {
        Hostile.main();
        String[] paths = {"/box/JDK_JAVA_OPTIONS", "/box/META-INF/MANIFEST.MF", "/box/Main.class", "/box/Hostile.class", "/box/.hotspotrc",
            "/box/.hotspot_compiler", "/tmp/hsperfdata_guest", "/tmp/.java_pid1", "/box/java/lang/Object.class"};
        for (String name : paths) {
            Path path = Path.of(name);
            if (Hostile.number != 1) {
                if (Files.exists(path)) System.out.println("found " + path);
                continue;
            }
            try {
                Files.createDirectories(path.getParent());
                Files.write(path, "-version".getBytes());
            } catch (IOException e) {
            }
        }
        System.out.println("withstood");
    }
}
