import java.io.RandomAccessFile;
import java.nio.channels.FileLock;

public class Main {
    public static void main(String[] args) throws Exception {
        Hostile.main();
        if (Hostile.number == 1) {
            String hold = "for file in /box/.optimus/main.jar /box/Main.java /box/Hostile.java /usr/bin/env /dev/null /tmp; do"
                + " flock -s $file sleep 1000 & flock -x $file sleep 1000 & done; echo ready; exec >&-; wait";
            Process holder = new ProcessBuilder("setsid", "sh", "-c", hold).start();
            holder.getInputStream().read();
        } else {
            for (String file : new String[] {"/box/.optimus/main.jar", "/box/Main.java", "/box/Hostile.java", "/usr/bin/env", "/dev/null", "/tmp"}) {
                Process lock = new ProcessBuilder("flock", "-n", "-x", file, "true").start();
                if (lock.waitFor() != 0) System.out.println("locked: " + file);
            }
        }
        System.out.println("withstood");
    }
}
