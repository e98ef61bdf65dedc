//! How much is read.

use super::folder;

#[test]
fn a_number_of_packets_or_a_span_of_packet_time_ends_a_capture() {
    let folder = folder();
    for (arguments, script, rows, summary) in [
        (&["-c", "10"][..], "capture().count()", 10, "10 packets captured, 10 received, 0 dropped\n"),
        (&["-c", "3", "-f", "ip6"], "capture().count()", 3, "3 packets captured, 136 received, 0 dropped\n"),
        (&["-c", "10"], "flows().count()", 2, "10 packets captured, 10 received, 0 dropped\n"),
        (&["--duration", "10s"], "capture().count()", 51, "51 packets captured, 52 received, 0 dropped\n"),
        (&["--duration", "1h"], "capture().count()", 344, "344 packets captured, 344 received, 0 dropped\n"),
        (&[], "capture(\"\", #{ packets: 7 }).count()", 7, "7 packets captured, 7 received, 0 dropped\n"),
        (&[], "capture(\"\", #{ duration: \"1s\" }).count()", 17, "17 packets captured, 18 received, 0 dropped\n"),
        (&["-c", "0"], "capture().count()", 0, ""),
    ] {
        let common = [&["eval", "-r", "incident.pcap"], arguments, &[script]].concat();
        let ended = folder.netscript(&common);
        assert_eq!((ended.stdout, ended.stderr), (format!("{rows}\n"), summary.to_owned()), "{common:?}");
        // What somebody asked to leave out is not lost.
        assert_eq!(ended.code, Some(0), "{common:?}");
    }
}

#[test]
fn what_follows_the_first_rows_is_not_read() {
    let folder = folder();
    let ended = folder.netscript(["eval", "-r", "incident.pcap", "capture().take(5).count()"]);
    assert_eq!(ended.stdout, "5\n");
    // The pipeline reads in batches, and the file is one.
    let whole = std::fs::read(folder.path("incident.pcap")).unwrap();
    let mut long = whole.clone();
    (0..20).for_each(|_| long.extend(&whole[24..]));
    folder.write("long.pcap", long);
    let ended = folder.netscript(["eval", "-r", "long.pcap", "http_requests().first().status"]);
    assert_eq!((ended.stdout.as_str(), ended.code), ("200\n", Some(0)));
    assert_eq!(ended.stderr, "1,024 packets captured, 1,024 received, 0 dropped\n");
}

#[test]
fn rows_beyond_the_limit_are_counted_and_leave_the_verdict_open() {
    let folder = folder();
    let whole = std::fs::read(folder.path("incident.pcap")).unwrap();
    let mut long = whole.clone();
    (0..20).for_each(|_| long.extend(&whole[24..]));
    folder.write("long.pcap", long);
    let keep = ["eval", "-r", "long.pcap", "--max-memory", "1MiB", "capture().to_array()"];
    let ended = folder.netscript(keep);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.contains(" rows not kept (limit)"), "{}", ended.stderr);
    let counted = folder.netscript(["eval", "-r", "long.pcap", "--max-memory", "1MiB", "capture().count()"]);
    assert_eq!((counted.stdout.as_str(), counted.code), ("7224\n", Some(0)), "counting keeps nothing");
}
