import com.sun.source.util.JavacTask;
import com.sun.source.util.TaskEvent;
import com.sun.source.util.TaskListener;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.jar.Attributes;
import java.util.jar.Manifest;
import java.util.stream.Collectors;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import javax.lang.model.element.ExecutableElement;
import javax.lang.model.element.Modifier;
import javax.lang.model.element.TypeElement;
import javax.lang.model.type.ArrayType;
import javax.lang.model.type.TypeKind;
import javax.lang.model.type.TypeMirror;
import javax.lang.model.util.ElementFilter;
import javax.lang.model.util.Elements;
import javax.lang.model.util.Types;
import javax.tools.FileObject;
import javax.tools.ForwardingJavaFileManager;
import javax.tools.ForwardingJavaFileObject;
import javax.tools.JavaFileManager;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/**
 * Compiles Java sources into a jar that {@code java -jar} runs, with the submission's own files on its class path.
 *
 * <p>Unlike javac, it takes a public class in a file of any name, and finds the class with {@code main} by itself, as
 * judges do: the one called {@code Main}, then the one called as its file, then the only public one, then the only
 * one. Where none of that decides, it names those there are and fails. Where an entry file is given, only its classes
 * count. The class is told on standard output.
 *
 * <p>Usage: {@code Compile OUTPUT.jar ENTRY.java SOURCE.java...}, with an empty name where no entry file is given.
 */
public final class Compile {
    /** Nothing of the submission may run at compile time, and no processor is looked for. */
    private static final List<String> OPTIONS = List.of("-proc:none", "-encoding", "UTF-8", "-implicit:none");

    public static void main(String[] args) throws IOException {
        var output = Path.of(args[0]);
        var entry = args[1];
        Set<String> sources = new LinkedHashSet<>(List.of(args).subList(2, args.length));

        var compiler = ToolProvider.getSystemJavaCompiler();
        var standard = compiler.getStandardFileManager(null, null, StandardCharsets.UTF_8);
        var files = new InMemory(standard);
        var errors = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
        List<JavaFileObject> units = new ArrayList<>();
        standard.getJavaFileObjects(sources.toArray(String[]::new)).forEach(file -> units.add(new AnyName(file)));

        var task = (JavacTask) compiler.getTask(errors, files, null, OPTIONS, null, units);
        var mains = new Mains(task.getElements(), task.getTypes(), sources.size() == 1);
        task.addTaskListener(mains);
        if (!task.call()) {
            System.exit(1);
        }
        try {
            var main = mains.choose(entry);
            Files.write(output, files.jar(main, mains.sourceRoots));
            System.out.println("entry point: " + main);
        } catch (Undecided undecided) {
            errors.println("error: " + undecided.getMessage());
            System.exit(1);
        }
    }

    /** Which class the program starts with is not clear. */
    private static final class Undecided extends Exception {
        private static final long serialVersionUID = 1;

        Undecided(String message) {
            super(message);
        }
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

        /** Of any extension, too: it was given as a source. */
        @Override
        public Kind getKind() {
            return Kind.SOURCE;
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

        /**
         * Nothing in it is compressed: it lies in memory, and starting is what counts. Its class path goes on with the
         * folders of the sources, seen from its own, so that what lies beside a class is found as a resource.
         */
        byte[] jar(String mainClass, Set<String> sourceRoots) throws IOException {
            var roots = sourceRoots.stream().map(root -> inUrl("../" + root)).collect(Collectors.joining(" "));
            var manifest = new Manifest();
            manifest.getMainAttributes().put(Attributes.Name.MANIFEST_VERSION, "1.0");
            manifest.getMainAttributes().put(Attributes.Name.MAIN_CLASS, mainClass);
            manifest.getMainAttributes().put(Attributes.Name.CLASS_PATH, roots);
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

        private static String inUrl(String path) {
            try {
                return new URI(null, null, path, null).getRawPath();
            } catch (URISyntaxException error) {
                throw new IllegalArgumentException(error);
            }
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

    /** A class with a method {@code main}. */
    private record Candidate(String name, String simpleName, Nesting nesting, Access access, Method method, String file) {
        /** As files of this name have it: the same in any case, since people write it so. */
        boolean isCalledAsItsFile() {
            var name = new File(file).getName();
            var end = name.lastIndexOf('.');
            return simpleName.equalsIgnoreCase(end < 0 ? name : name.substring(0, end));
        }
    }

    private enum Nesting { TOP, INNER }

    private enum Access { PUBLIC, OTHER }

    private enum Method { OWN, INHERITED }

    /** Sees every class once its members are known, and remembers those a program can start from. */
    private static final class Mains implements TaskListener {
        /**
         * Where packages begin, such as {@code src/}, or nothing; the work directory itself first. Build tools keep the
         * resources of {@code src/main/java} in {@code src/main/resources}.
         */
        final Set<String> sourceRoots = new LinkedHashSet<>(List.of(""));

        private final Elements elements;
        private final Types types;
        private final boolean oneFile;
        private final List<Candidate> all = new ArrayList<>();

        Mains(Elements elements, Types types, boolean oneFile) {
            this.elements = elements;
            this.types = types;
            this.oneFile = oneFile;
        }

        @Override
        public void finished(TaskEvent event) {
            var type = event.getTypeElement();
            if (event.getKind() == TaskEvent.Kind.ANALYZE && type != null) {
                var file = event.getSourceFile().getName();
                var root = sourceRoot(file, elements.getPackageOf(type).getQualifiedName().toString());
                sourceRoots.add(root);
                var resources = root.replaceFirst("(^|/)java/$", "$1resources/");
                if (!resources.equals(root) && Files.isDirectory(Path.of(resources))) {
                    sourceRoots.add(resources);
                }
                visit(type, Nesting.TOP, file);
            }
        }

        /** The folder of a file without what of it is its package. */
        private static String sourceRoot(String file, String packageName) {
            var folder = file.substring(0, file.lastIndexOf('/') + 1);
            var inner = packageName.isEmpty() ? "" : packageName.replace('.', '/') + "/";
            var whole = folder.endsWith("/" + inner) || folder.equals(inner);
            return whole ? folder.substring(0, folder.length() - inner.length()) : folder;
        }

        private void visit(TypeElement type, Nesting nesting, String file) {
            if (ElementFilter.methodsIn(elements.getAllMembers(type)).stream().anyMatch(this::isMain)) {
                var own = ElementFilter.methodsIn(type.getEnclosedElements()).stream().anyMatch(this::isMain);
                all.add(new Candidate(
                        elements.getBinaryName(type).toString(),
                        type.getSimpleName().toString(),
                        nesting,
                        type.getModifiers().contains(Modifier.PUBLIC) ? Access.PUBLIC : Access.OTHER,
                        own ? Method.OWN : Method.INHERITED,
                        file));
            }
            ElementFilter.typesIn(type.getEnclosedElements()).forEach(nested -> visit(nested, Nesting.INNER, file));
        }

        /** The class to start with; of one file alone where that is given. */
        String choose(String entry) throws Undecided {
            var among = all.stream()
                    .filter(each -> entry.isEmpty() || new File(each.file).equals(new File(entry)))
                    .collect(Collectors.toList());
            if (among.isEmpty()) {
                var where = entry.isEmpty() ? "no class" : "no class in " + entry;
                throw new Undecided(where + " has a method `public static void main(String[])`" + others());
            }
            Predicate<Candidate> top = each -> each.nesting == Nesting.TOP;
            Predicate<Candidate> own = each -> each.method == Method.OWN;
            // With several files and none named, that a class is called as its own file says nothing.
            Predicate<Candidate> ofTheFile = each -> (oneFile || !entry.isEmpty()) && each.isCalledAsItsFile();
            List<Predicate<Candidate>> rules = List.of(
                    each -> each.name.equals("Main"),
                    top.and(each -> each.simpleName.equals("Main")),
                    top.and(ofTheFile),
                    own.and(top).and(each -> each.access == Access.PUBLIC),
                    own.and(top),
                    own,
                    each -> true);
            for (var rule : rules) {
                var matching = among.stream().filter(rule).collect(Collectors.toList());
                if (matching.size() == 1) {
                    return matching.get(0).name;
                }
                if (matching.size() > 1) {
                    throw new Undecided("several classes have a method `main`: " + names(matching)
                            + "; call one of them Main, or name its file as the entry point");
                }
            }
            throw new IllegalStateException("the last rule takes every class");
        }

        private String others() {
            return all.isEmpty() ? "" : "; of those in other files, " + names(all) + " have one";
        }

        private static String names(List<Candidate> candidates) {
            return candidates.stream().map(Candidate::name).collect(Collectors.joining(", "));
        }

        private boolean isMain(ExecutableElement method) {
            return method.getSimpleName().contentEquals("main")
                    && method.getModifiers().containsAll(Set.of(Modifier.PUBLIC, Modifier.STATIC))
                    && method.getReturnType().getKind() == TypeKind.VOID
                    && method.getParameters().size() == 1
                    && isStrings(method.getParameters().get(0).asType());
        }

        /** As the launcher sees it: annotations of the type and type variables are no part of a descriptor. */
        private boolean isStrings(TypeMirror type) {
            return types.erasure(type) instanceof ArrayType array
                    && types.asElement(array.getComponentType()) instanceof TypeElement element
                    && element.getQualifiedName().contentEquals("java.lang.String");
        }
    }
}
