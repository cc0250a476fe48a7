import com.sun.source.util.JavacTask;
import com.sun.source.util.TaskEvent;
import com.sun.source.util.TaskListener;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.jar.Attributes;
import java.util.jar.Manifest;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import javax.lang.model.element.Element;
import javax.lang.model.element.ElementKind;
import javax.lang.model.element.ExecutableElement;
import javax.lang.model.element.Modifier;
import javax.lang.model.element.TypeElement;
import javax.lang.model.type.TypeKind;
import javax.lang.model.util.ElementFilter;
import javax.lang.model.util.Elements;
import javax.tools.FileObject;
import javax.tools.ForwardingJavaFileManager;
import javax.tools.ForwardingJavaFileObject;
import javax.tools.JavaFileManager;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/**
 * Compiles Java sources into a jar that {@code java -jar} runs.
 *
 * <p>Unlike javac, it takes a public class in a file of any name, and finds the class with {@code main} by itself: in
 * the entry file a public one first, then in the order written; then in the other files.
 *
 * <p>Usage: {@code Compile OUTPUT.jar ENTRY.java SOURCE.java...}
 */
public final class Compile {
    /** Nothing of the submission may run at compile time, and no processor is looked for. */
    private static final List<String> OPTIONS = List.of("-proc:none", "-encoding", "UTF-8", "-implicit:none");

    public static void main(String[] args) throws IOException {
        var output = Path.of(args[0]);
        var entry = args[1];
        Set<String> sources = new LinkedHashSet<>(List.of(args).subList(2, args.length));
        sources.add(entry);

        var compiler = ToolProvider.getSystemJavaCompiler();
        var standard = compiler.getStandardFileManager(null, null, StandardCharsets.UTF_8);
        var files = new InMemory(standard);
        var errors = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
        List<JavaFileObject> units = new ArrayList<>();
        standard.getJavaFileObjects(sources.toArray(String[]::new)).forEach(file -> units.add(new AnyName(file)));

        var task = (JavacTask) compiler.getTask(errors, files, null, OPTIONS, null, units);
        var mains = new Mains(new File(entry), task.getElements());
        task.addTaskListener(mains);
        if (!task.call()) {
            System.exit(1);
        }
        var main = mains.best();
        if (main.isEmpty()) {
            errors.println("error: no class has a method `public static void main(String[])`");
            System.exit(1);
        }
        Files.write(output, files.jar(main.get()));
    }

    /** A source whose public class need not bear its name. */
    private static final class AnyName extends ForwardingJavaFileObject<JavaFileObject> {
        AnyName(JavaFileObject file) {
            super(file);
        }

        @Override
        public boolean isNameCompatible(String simpleName, Kind kind) {
            // No class is called package-info or module-info: javac asks whether the file is such a one.
            return simpleName.contains("-") ? super.isNameCompatible(simpleName, kind) : kind == Kind.SOURCE;
        }

        /** Without the byte order mark that some editors write, and javac refuses. */
        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) throws IOException {
            var text = super.getCharContent(ignoreEncodingErrors);
            return text.length() > 0 && text.charAt(0) == '\ufeff' ? text.subSequence(1, text.length()) : text;
        }
    }

    /** Keeps the classes compiled until they go into the jar. */
    private static final class InMemory extends ForwardingJavaFileManager<JavaFileManager> {
        private final Map<String, ByteArrayOutputStream> classes = new TreeMap<>();

        InMemory(JavaFileManager next) {
            super(next);
        }

        @Override
        public JavaFileObject getJavaFileForOutput(
                Location location, String className, JavaFileObject.Kind kind, FileObject sibling) {
            var path = className.replace('.', '/') + kind.extension;
            return new SimpleJavaFileObject(URI.create("memory:///"), kind) {
                @Override
                public OutputStream openOutputStream() {
                    var bytes = new ByteArrayOutputStream();
                    classes.put(path, bytes);
                    return bytes;
                }
            };
        }

        /** Nothing in it is compressed: it lies in memory, and starting is what counts. */
        byte[] jar(String mainClass) throws IOException {
            var manifest = new Manifest();
            manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
            manifest.getMainAttributes().put(Attributes.Name.MAIN_CLASS, mainClass);
            var text = new ByteArrayOutputStream();
            manifest.write(text);

            var bytes = new ByteArrayOutputStream();
            try (var jar = new ZipOutputStream(bytes)) {
                jar.setMethod(ZipOutputStream.STORED);
                store(jar, "META-INF/MANIFEST.MF", text.toByteArray());
                for (var each : classes.entrySet()) {
                    store(jar, each.getKey(), each.getValue().toByteArray());
                }
            }
            return bytes.toByteArray();
        }

        private static void store(ZipOutputStream jar, String name, byte[] bytes) throws IOException {
            var crc = new CRC32();
            crc.update(bytes);
            var entry = new ZipEntry(name);
            entry.setSize(bytes.length);
            entry.setCrc(crc.getValue());
            jar.putNextEntry(entry);
            jar.write(bytes);
            jar.closeEntry();
        }
    }

    /** Sees every class once its members are known, and remembers those a program can start from. */
    private static final class Mains implements TaskListener {
        private final File entry;
        private final Elements elements;
        private final List<String> publicInEntry = new ArrayList<>();
        private final List<String> inEntry = new ArrayList<>();
        private final List<String> elsewhere = new ArrayList<>();

        Mains(File entry, Elements elements) {
            this.entry = entry;
            this.elements = elements;
        }

        @Override
        public void finished(TaskEvent event) {
            if (event.getKind() == TaskEvent.Kind.ANALYZE && event.getTypeElement() != null) {
                var here = new File(event.getSourceFile().getName()).equals(entry);
                visit(event.getTypeElement(), here);
            }
        }

        private void visit(TypeElement type, boolean here) {
            if (ElementFilter.methodsIn(elements.getAllMembers(type)).stream().anyMatch(Mains::isMain)) {
                var list = !here ? elsewhere : type.getModifiers().contains(Modifier.PUBLIC) ? publicInEntry : inEntry;
                list.add(elements.getBinaryName(type).toString());
            }
            ElementFilter.typesIn(type.getEnclosedElements()).forEach(nested -> visit(nested, here));
        }

        Optional<String> best() {
            var all = new ArrayList<>(publicInEntry);
            all.addAll(inEntry);
            all.addAll(elsewhere);
            return all.stream().findFirst();
        }

        private static boolean isMain(ExecutableElement method) {
            return method.getSimpleName().contentEquals("main")
                    && method.getModifiers().containsAll(Set.of(Modifier.PUBLIC, Modifier.STATIC))
                    && method.getReturnType().getKind() == TypeKind.VOID
                    && method.getParameters().size() == 1
                    && method.getParameters().get(0).asType().toString().equals("java.lang.String[]");
        }
    }
}
