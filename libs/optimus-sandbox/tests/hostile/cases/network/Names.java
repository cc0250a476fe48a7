import java.net.InetAddress;
import java.net.URI;

public class Main {
    public static void main(String[] arguments) throws Exception {
        Hostile.main();
        StringBuilder through = new StringBuilder();
        for (String name : new String[] {"example.com", "redis", "host.docker.internal", "gateway", "metadata"}) {
            try {
                through.append(InetAddress.getByName(name)).append(' ');
            } catch (java.net.UnknownHostException nobody) {
                // As it should be.
            }
        }
        try {
            URI.create("http://1.1.1.1/").toURL().openStream().close();
            through.append("a page");
        } catch (java.io.IOException nothing) {
            // As it should be.
        }
        System.out.println(through.length() == 0 ? "withstood" : through);
    }
}
