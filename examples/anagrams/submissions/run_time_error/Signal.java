import java.lang.reflect.Field;
import sun.misc.Unsafe;

/** Dies by SIGABRT, with which the virtual machine answers a write to address 0. */
public class Signal {
    public static void main(String[] args) throws ReflectiveOperationException {
        Field unsafe = Unsafe.class.getDeclaredField("theUnsafe");
        unsafe.setAccessible(true);
        ((Unsafe) unsafe.get(null)).putAddress(0, 0);
    }
}
