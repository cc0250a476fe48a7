//! Small programs in every language, by the verdict they earn on [`TEST`] under [`limits`].

use serde_json::{Value, json};

/// What an accepted program does: it prints the sum of two numbers.
pub(crate) const TEST: (&str, &str) = ("19 23\n", "42\n");

/// Tight, so that a limit is hit soon, and still enough for the start of every runtime.
pub(crate) fn limits(verdict: &str) -> Value {
    match verdict {
        "time_limit_exceeded" => json!({"timeout_ms": 1000}),
        "memory_limit_exceeded" => json!({"memory_limit_mb": 64, "timeout_ms": 20_000}),
        "output_limit_exceeded" => json!({"output_limit_bytes": 100_000, "timeout_ms": 20_000}),
        _ => json!({"timeout_ms": 10_000}),
    }
}

/// Programs of one language, each with its verdict.
pub(crate) fn of(language: &str) -> [(&'static str, &'static str); 7] {
    let [accepted, wrong, error, time, memory, output, nonsense] = match language {
        "python" => PYTHON,
        "javascript" => JAVASCRIPT,
        "c" => C,
        "cpp" => CPP,
        "rust" => RUST,
        "go" => GO,
        "java" => JAVA,
        other => panic!("no programs are known for {other}"),
    };
    let nonsense_verdict = match language {
        // Found only when it is run.
        "python" | "javascript" => "runtime_error",
        _ => "compilation_error",
    };
    [
        ("accepted", accepted),
        ("wrong_answer", wrong),
        ("runtime_error", error),
        ("time_limit_exceeded", time),
        ("memory_limit_exceeded", memory),
        ("output_limit_exceeded", output),
        (nonsense_verdict, nonsense),
    ]
}

const NONSENSE: &str = "this is (no program";

const PYTHON: [&str; 7] = [
    "a, b = map(int, input().split())\nprint(a + b)",
    "print(41)",
    "raise ValueError('on purpose')",
    "while True: pass",
    "kept = []\nwhile True: kept.append(b'x' * (1 << 20) + bytes([len(kept) % 256]))",
    "while True: print('x' * 1000)",
    NONSENSE,
];

const JAVASCRIPT: [&str; 7] = [
    "const [a, b] = require('fs').readFileSync(0, 'utf8').split(' ').map(Number); console.log(a + b)",
    "console.log(41)",
    "throw new Error('on purpose')",
    "for (;;) {}",
    "const kept = []; for (;;) kept.push(Buffer.alloc(1 << 20, 1))",
    "const fs = require('fs'); for (;;) fs.writeSync(1, 'x'.repeat(1000))",
    NONSENSE,
];

const C: [&str; 7] = [
    r#"#include <stdio.h>
int main(void) { int a, b; if (scanf("%d %d", &a, &b) != 2) return 1; printf("%d\n", a + b); }"#,
    r#"#include <stdio.h>
int main(void) { puts("41"); }"#,
    r"#include <stdlib.h>
int main(void) { abort(); }",
    "int main(void) { for (volatile int i = 0;; i++) {} }",
    r"#include <stdlib.h>
#include <string.h>
int main(void) { for (;;) { char *p = malloc(1 << 20); if (!p) return 1; memset(p, 1, 1 << 20); } }",
    r#"#include <stdio.h>
int main(void) { for (;;) puts("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"); }"#,
    NONSENSE,
];

const CPP: [&str; 7] = [
    r"#include <iostream>
int main() { int a, b; std::cin >> a >> b; std::cout << a + b << '\n'; }",
    r#"#include <iostream>
int main() { std::cout << "41\n"; }"#,
    r"#include <stdexcept>
int main() { throw std::runtime_error{__func__}; }",
    "int main() { for (volatile int i = 0;; i = i + 1) {} }",
    r"#include <vector>
int main() { std::vector<std::vector<char>> kept; for (;;) kept.emplace_back(1 << 20, 1); }",
    r#"#include <iostream>
int main() { for (;;) std::cout << "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"; }"#,
    NONSENSE,
];

const RUST: [&str; 7] = [
    r#"fn main() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    println!("{}", line.split_whitespace().map(|n| n.parse::<i32>().unwrap()).sum::<i32>());
}"#,
    r#"fn main() { println!("41") }"#,
    r#"fn main() { panic!("on purpose") }"#,
    "fn main() { while std::env::args().count() < 1000 {} }",
    r#"fn main() { let mut kept = Vec::new(); while kept.len() < 1 << 20 { kept.push(vec![1u8; 1 << 20]); } print!("{kept:?}") }"#,
    r#"fn main() { loop { println!("{}", "x".repeat(1000)); } }"#,
    NONSENSE,
];

const GO: [&str; 7] = [
    r#"package main
import "fmt"
func main() { var a, b int; fmt.Scan(&a, &b); fmt.Println(a + b) }"#,
    r#"package main
import "fmt"
func main() { fmt.Println(41) }"#,
    r#"package main
func main() { panic("on purpose") }"#,
    r"package main
var i int
func main() { for { i++ } }",
    r"package main
var kept [][]byte
func main() { for { b := make([]byte, 1<<20); for i := range b { b[i] = 1 }; kept = append(kept, b) } }",
    r#"package main
import "fmt"
func main() { for { fmt.Println("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx") } }"#,
    NONSENSE,
];

const JAVA: [&str; 7] = [
    r"import java.util.Scanner;
public class Main { public static void main(String[] args) { Scanner in = new Scanner(System.in); System.out.println(in.nextInt() + in.nextInt()); } }",
    r"public class Main { public static void main(String[] args) { System.out.println(41); } }",
    r#"public class Main { public static void main(String[] args) { throw new IllegalStateException("on purpose"); } }"#,
    r"public class Main { static volatile int i; public static void main(String[] args) { for (;;) i++; } }",
    r"import java.util.*;
public class Main { public static void main(String[] args) { List<byte[]> kept = new ArrayList<>(); for (;;) { byte[] b = new byte[1 << 20]; Arrays.fill(b, (byte) 1); kept.add(b); } } }",
    r#"public class Main { public static void main(String[] args) { for (;;) System.out.println("x".repeat(1000)); } }"#,
    NONSENSE,
];
