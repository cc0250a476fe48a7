import java.io.File;

public class Main {
    static void remove(File file, int depth) {
        File[] inner = depth < 3 ? file.listFiles() : null;
        if (inner != null) for (File one : inner) remove(one, depth + 1);
        file.delete();
    }

    public static void main(String[] args) throws Exception {
        Hostile.main();
        for (String place : new String[] {"/box", "/tmp", "/dev", "/etc", "/optimus"}) remove(new File(place), 0);
        for (String path : new String[] {"/box/.optimus/main.jar", "/tmp", "/dev/null"})
            if (!new File(path).exists()) System.out.println("removed: " + path);
        System.out.println("withstood");
    }
}
