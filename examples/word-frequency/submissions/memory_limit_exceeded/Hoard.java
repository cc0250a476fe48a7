import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Keeps much more than it needs: up to 1 GiB. */
public class Hoard {
    public static void main(String[] args) {
        List<byte[]> hoard = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            byte[] block = new byte[16 << 20];
            Arrays.fill(block, (byte) 'x');
            hoard.add(block);
        }
        System.out.println(hoard.size());
    }
}
