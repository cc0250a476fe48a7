public class Main {
    public static void main(String[] args) throws Exception {
        Hostile.main();
        for (int i = 0; i < 5; i++) new ProcessBuilder("setsid", "sleep", "1000").inheritIO().start();
        System.out.println("withstood");
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }
}
