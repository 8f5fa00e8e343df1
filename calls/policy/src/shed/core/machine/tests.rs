//! Real files of several kernels, and what is not one.

use proptest::prelude::*;

use super::*;

const STAT: &str = "cpu  74608 2520 24433 1117073 6176 4054 120 7 0 0\n\
cpu0 37304 1260 12216 558536 3088 2027 60 3 0 0\n\
intr 114930548 113199788 3 0 5 263 0 4\nctxt 1990473\nbtime 1062191376\n";

const MEMINFO: &str = "MemTotal:       24689764 kB\nMemFree:        10482348 kB\nMemAvailable:   23106096 kB\n\
Buffers:          341624 kB\nCached:         11925132 kB\nSwapCached:            0 kB\n";

const PSI: &str = "some avg10=12.50 avg60=0.52 avg300=2.45 total=37269914\n\
full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";

#[test]
fn processors() {
    let times = cpu_times(STAT).unwrap();
    assert_eq!(times, CpuTimes { busy: 74_608 + 2_520 + 24_433 + 4_054 + 120 + 7, total: 1_228_991 });
    // Kernel 2.4 had four figures.
    assert_eq!(cpu_times("cpu 1 2 3 4\n"), Some(CpuTimes { busy: 6, total: 10 }));
    let later = CpuTimes { busy: times.busy + 30, total: times.total + 40 };
    assert_eq!(later.share_since(times), Some(0.75));
    assert_eq!(times.share_since(times), None);
    assert_eq!(times.share_since(later), None);
    for text in [
        "",
        "cpu",
        "cpu 1 2 3",
        "cpu0 1 2 3 4",
        "cpu 1 2 x 4",
        "cpu -1 2 3 4",
        "cpu  18446744073709551615 1 1 1",
    ] {
        assert_eq!(cpu_times(text), None, "{text}");
    }
}

#[test]
fn memory() {
    let memory = meminfo(MEMINFO).unwrap();
    assert_eq!(memory, Memory { used: 24_689_764 - 23_106_096, total: 24_689_764 });
    assert!((memory.share() - 0.064).abs() < 0.001);
    for text in ["", "MemTotal: 5 kB\n", "MemTotal: x kB\nMemAvailable: 3 kB\n", "MemTotal:\nMemAvailable:\n"]
    {
        assert_eq!(meminfo(text), None, "{text}");
    }
    let stat = "anon 100\nfile 900\ninactive_anon 7\ninactive_file 300\nactive_file 600\n";
    assert_eq!(cgroup_memory("1000\n", "2000\n", stat), Some(Memory { used: 700, total: 2_000 }));
    assert_eq!(cgroup_memory("1000\n", "2000\n", ""), Some(Memory { used: 1_000, total: 2_000 }));
    assert_eq!(cgroup_memory("1000\n", "max\n", stat), None);
    assert_eq!(cgroup_memory("", "2000\n", stat), None);
    assert_eq!(Memory { used: 0, total: 0 }.share(), 0.0);
}

#[test]
fn groups() {
    for (text, path) in [
        ("0::/system.slice/orders.service\n", Some("system.slice/orders.service")),
        ("0::/\n", Some("")),
        ("12:memory:/docker/1f\n1:name=systemd:/init.scope\n0::/init.scope\n", Some("init.scope")),
        ("12:memory:/docker/1f\n", None),
        ("", None),
    ] {
        assert_eq!(cgroup_path(text), path, "{text}");
    }
}

#[test]
fn processors_of_a_group() {
    for (text, processors) in [
        ("200000 100000\n", Some(2.0)),
        ("50000 100000\n", Some(0.5)),
        ("max 100000\n", None),
        ("0 100000\n", None),
        ("100000\n", None),
        ("", None),
    ] {
        assert_eq!(cgroup_processors(text), processors, "{text}");
    }
    assert_eq!(cgroup_used("usage_usec 4711\nuser_usec 4000\nsystem_usec 711\n"), Some(4_711));
    assert_eq!(cgroup_used("user_usec 4000\n"), None);
    assert_eq!(cgroup_used("usage_usec x\n"), None);
}

#[test]
fn stalls() {
    assert_eq!(stall(PSI), Some(Stall { avg10: 0.125, total: 37_269_914 }));
    // Before 5.13 the processor had no line `full`.
    assert!(stall("some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n").is_some());
    for text in [
        "",
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
        "some avg10=0.00\n",
        "some avg10=nan total=1\n",
        "some avg10=101.0 total=1\n",
        "some avg10=1.0 total=-1\n",
    ] {
        assert_eq!(stall(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_reader_fail(text in "(some |cpu |MemTotal: |0::/|avg10=|total=|[0-9]{1,25}|[ \n.:-]|\\PC){0,30}") {
        if let Some(times) = cpu_times(&text) {
            prop_assert!(times.busy <= times.total);
        }
        if let Some(stall) = stall(&text) {
            prop_assert!((0.0..=1.0).contains(&stall.avg10));
        }
        let _ = (meminfo(&text), cgroup_path(&text), cgroup_memory(&text, &text, &text));
        let _ = (cgroup_processors(&text), cgroup_used(&text));
    }
}
