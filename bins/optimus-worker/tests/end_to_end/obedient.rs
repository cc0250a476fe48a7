//! In every language one program that does what its input says, so that one job shows every way to end.
//!
//! `print N`: prints so many bytes. `sleep`: sleeps. `exit N`: ends with this code. `kill`: sends itself SIGKILL. `crash`: dies
//! by the signal beside the program. `burn`: computes without end, in two threads or processes.

/// The program of a language, and the signal by which it crashes.
pub(crate) fn of(language: &str) -> (&'static str, &'static str) {
    match language {
        "python" => ("SIGABRT", PYTHON),
        "javascript" => ("SIGABRT", JAVASCRIPT),
        "c" => ("SIGSEGV", C),
        "cpp" => ("SIGFPE", CPP),
        "rust" => ("SIGABRT", RUST),
        "go" => ("SIGTERM", GO),
        "java" => ("SIGABRT", JAVA),
        other => panic!("no program is known for {other}"),
    }
}

const PYTHON: &str = r"import os, sys, time
what, *much = input().split()
if what == 'print': sys.stdout.write('x' * int(much[0]))
if what == 'sleep': time.sleep(600)
if what == 'exit': sys.exit(int(much[0]))
if what == 'kill': os.kill(os.getpid(), 9)
if what == 'crash': os.abort()
if what == 'burn':
    os.fork()
    while True: pass
";

const JAVASCRIPT: &str = r"const fs = require('fs');
const [what, much] = fs.readFileSync(0, 'utf8').trim().split(' ');
if (what === 'print') process.stdout.write('x'.repeat(+much));
if (what === 'sleep') setTimeout(() => {}, 600000);
if (what === 'exit') process.exit(+much);
if (what === 'kill') process.kill(process.pid, 'SIGKILL');
if (what === 'crash') process.abort();
if (what === 'burn') {
    const { Worker } = require('worker_threads');
    new Worker('for (;;) {}', { eval: true });
    setTimeout(() => { for (;;) {} }, 1);
}
";

const C: &str = r#"#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(void) {
    char what[16];
    int much = 0;
    if (scanf("%15s %d", what, &much) < 1) return 1;
    if (!strcmp(what, "print")) for (int i = 0; i < much; i++) putchar('x');
    if (!strcmp(what, "sleep")) sleep(600);
    if (!strcmp(what, "exit")) return much;
    if (!strcmp(what, "kill")) raise(SIGKILL);
    if (!strcmp(what, "crash")) { int *volatile nowhere = 0; *nowhere = 1; }
    if (!strcmp(what, "burn")) { fork(); for (volatile int i = 0;; i++) {} }
    return 0;
}
"#;

const CPP: &str = r#"#include <csignal>
#include <iostream>
#include <string>
#include <thread>
#include <unistd.h>
int main() {
    std::string what;
    int much = 0;
    std::cin >> what >> much;
    if (what == "print") std::cout << std::string(much, 'x');
    if (what == "sleep") sleep(600);
    if (what == "exit") return much;
    if (what == "kill") raise(SIGKILL);
    if (what == "crash") { volatile int zero = 0; std::cout << much / zero; }
    if (what == "burn") {
        auto burn = [] { for (volatile int i = 0;; i = i + 1) {} };
        std::thread other(burn);
        burn();
    }
}
"#;

const RUST: &str = r#"use std::{io, process, thread, time::Duration};
fn burn() { while std::env::args().count() < 1000 {} }
fn main() {
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    let mut words = line.split_whitespace();
    let what = words.next().unwrap();
    let much: usize = words.next().map_or(0, |word| word.parse().unwrap());
    match what {
        "print" => print!("{}", "x".repeat(much)),
        "sleep" => thread::sleep(Duration::from_secs(600)),
        "exit" => process::exit(much as i32),
        "kill" => { process::Command::new("/bin/sh").args(["-c", "kill -9 $PPID"]).status().unwrap(); }
        "crash" => process::abort(),
        _ => { thread::spawn(burn); burn() }
    }
}
"#;

const GO: &str = r#"package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

func burn() { for i := 0; ; i++ { if i < 0 { i = 0 } } }

func main() {
	var what string
	var much int
	fmt.Scan(&what, &much)
	switch what {
	case "print":
		fmt.Print(strings.Repeat("x", much))
	case "sleep":
		time.Sleep(10 * time.Minute)
	case "exit":
		os.Exit(much)
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "crash":
		syscall.Kill(os.Getpid(), syscall.SIGTERM)
		time.Sleep(10 * time.Minute)
	case "burn":
		go burn()
		burn()
	}
}
"#;

const JAVA: &str = r#"import java.util.Scanner;
public class Main {
    static volatile int i;
    static void signal(String name) throws Exception {
        new ProcessBuilder("/bin/sh", "-c", "kill -" + name + " " + ProcessHandle.current().pid()).start();
        Thread.sleep(600_000);
    }
    public static void main(String[] args) throws Exception {
        String[] words = new Scanner(System.in).nextLine().split(" ");
        switch (words[0]) {
            case "print" -> System.out.print("x".repeat(Integer.parseInt(words[1])));
            case "sleep" -> Thread.sleep(600_000);
            case "exit" -> System.exit(Integer.parseInt(words[1]));
            case "kill" -> signal("KILL");
            case "crash" -> signal("ABRT");
            default -> { new Thread(() -> { for (;;) i++; }).start(); for (;;) i++; }
        }
    }
}
"#;
