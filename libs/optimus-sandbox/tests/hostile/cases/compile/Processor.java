import java.util.Set;
import javax.annotation.processing.AbstractProcessor;
import javax.annotation.processing.RoundEnvironment;
import javax.annotation.processing.SupportedAnnotationTypes;
import javax.lang.model.element.TypeElement;

@SupportedAnnotationTypes("*")
public class Main extends AbstractProcessor {
    static {
        // Both at compile time, if a processor is looked for, and at run time.
        if (System.getProperty("sun.java.command", "").startsWith("Compile")) throw new Error("runs in the compiler");
    }

    @Override
    public boolean process(Set<? extends TypeElement> annotations, RoundEnvironment round) {
        throw new Error("runs in the compiler");
    }

    public static void main(String[] arguments) throws Exception {
        Hostile.main();
        System.out.println("withstood");
    }
}
