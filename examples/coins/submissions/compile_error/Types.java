public class Types {
    public static void main(String[] args) {
        int ways = "many";
        System.out.println(ways);
    }
}
