//! What a guest sees of the agent, and can do to it.

use optimus_common::facts::RunEnd;

use crate::{WAY, suite::job::Job};

#[test]
fn a_guest_has_three_descriptors() {
    // `ls` opens one itself, to read the folder.
    let ran = Job::sh("ls /proc/self/fd; readlink /proc/self/fd/0").run_once();
    assert_eq!(ran.text(), "0\n1\n2\n3\n/memfd:input (deleted)\n");
}

#[test]
fn a_guest_cannot_look_into_the_agent() {
    let ran = Job::sh(
        "for f in /proc/1/environ /proc/1/mem /proc/1/maps /proc/1/fd/0 /proc/1/fd/1 /proc/1/cwd/x /proc/1/root/x \
            /run/optimus/job.json; do cat $f 2>&- && echo read $f; (echo x > $f) 2>&- && echo wrote $f; done
         ls /proc/1/fd /run/optimus 2>&-; echo end",
    )
    .run_once();
    assert_eq!(ran.text(), "end\n");
}

#[test]
fn a_guest_cannot_signal_the_agent() {
    let source = "int main() {
        for (int s = 0; s < 65; s++) if (kill(1, s) == 0) return 1;
        signal(SIGTERM, SIG_IGN);
        kill(-1, SIGSTOP); kill(-1, SIGKILL);
        return 7; }";
    // The program itself is spared by its own kill(-1), and the agent by the kernel.
    for ran in Job::c(source).run(&[b"", b""]) {
        assert_eq!(ran.facts.end, RunEnd::Exited { code: 7 });
    }
}

#[test]
fn a_guest_can_write_only_where_it_may() {
    let ran = Job::sh(
        "for d in / /etc /usr /optimus /run /run/optimus /dev /proc /proc/sys/kernel /sys/fs/cgroup \
            /sys/fs/cgroup/memory; do
            (: > $d/probe) 2>&- && echo wrote $d; done
         (echo 0 > /proc/sys/kernel/randomize_va_space) 2>&- && echo changed the kernel
         for d in /box /tmp /dev/shm; do (: > $d/probe) && echo $d; done",
    )
    .run_once();
    assert_eq!(ran.text(), "/box\n/tmp\n/dev/shm\n");
}

#[test]
fn a_guest_has_no_rights_and_gains_none() {
    let ran = Job::sh(
        "grep -E '^(Uid|Gid|Groups|Cap(Inh|Prm|Eff|Amb)|NoNewPrivs|Seccomp|Sig(Blk|Ign)):' /proc/self/status",
    )
    .run_once();
    for line in ran.text().lines() {
        let (name, value) = line.split_once(':').unwrap();
        let values: Vec<_> = value.split_whitespace().collect();
        match name {
            "Uid" | "Gid" => {
                assert!(values.iter().all(|id| *id == values[0]), "{line}");
                let own = (10_000..61_000).contains(&values[0].parse::<u32>().unwrap());
                assert_eq!(own, WAY.has_uids(), "{line}");
            }
            "Groups" => assert_eq!(values, [] as [&str; 0]),
            "NoNewPrivs" => assert_eq!(values, ["1"]),
            "Seccomp" => assert_eq!(values, ["2"]),
            _ => assert_eq!(u64::from_str_radix(values[0], 16).unwrap(), 0, "{line}"),
        }
    }
    assert_eq!(ran.text().lines().count(), 11);
}

#[test]
fn a_guest_cannot_become_somebody_else() {
    let source = "int main() {
        return !(setuid(0) && setgid(0) && setresuid(1, 1, 1) && setreuid(getuid() + 1, -1) && setfsuid(0) != 0
            && setgroups(0, 0) && chroot(\"/tmp\")
            && chown(\"/proc/self/fd/1\", getuid() ? 0 : 1, 0)); }";
    let source = if WAY.has_uids() {
        source.to_owned()
    } else {
        // It is nobody else already.
        source.replace("&& setfsuid(0) != 0", "")
    };
    assert_eq!(Job::c(&source).run_once().facts.end, RunEnd::Exited { code: 0 });
}

#[test]
fn an_input_cannot_be_changed() {
    let job = Job::sh("(echo forged > /proc/self/fd/0) 2>&- && echo wrote; cat");
    for ran in job.run(&[b"genuine\n", b"genuine\n"]) {
        assert_eq!(ran.text(), "genuine\n");
    }
}

#[test]
fn a_guest_is_the_first_to_die_when_memory_runs_out() {
    assert_eq!(
        Job::sh("cat /proc/self/oom_score_adj").run_once().text(),
        "1000\n"
    );
}
