import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

public class Main {
    public static void main(String[] args) throws Exception {
        Hostile.main();
        List<ByteBuffer> all = new ArrayList<>();
        for (;;) all.add(ByteBuffer.allocateDirect(1 << 20));
    }
}
