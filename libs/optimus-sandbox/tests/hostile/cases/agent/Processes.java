import java.nio.file.Files;
import java.nio.file.Path;

public class Main {
    public static void main(String[] arguments) throws Exception {
        Hostile.main();
        StringBuilder through = new StringBuilder();
        long own = ProcessHandle.current().pid();
        ProcessHandle.allProcesses().filter(other -> other.pid() != own).forEach(other -> {
            if (other.destroyForcibly()) through.append("killed ").append(other.pid()).append(' ');
            // The first process is no secret.
            if (other.pid() != 1 && other.info().commandLine().isPresent()) through.append("saw ").append(other.pid()).append(' ');
        });
        for (String name : System.getenv().keySet()) {
            if (name.startsWith("OPTIMUS")) through.append(name).append(' ');
        }
        try {
            through.append(Files.readString(Path.of("/proc/1/environ")));
        } catch (java.io.IOException closed) {
            // As it should be.
        }
        System.out.println(through.length() == 0 ? "withstood" : through);
    }
}
