use super::super::testing::{Outcome, block, interface, little, packet, read, section};
use super::*;

const DATA: [u8; 4] = [1, 2, 3, 4];

/// Time, interface, length and bytes of packets.
fn shape(outcome: &Outcome) -> Vec<(i64, u32, u32, &[u8])> {
    let shape = |packet: &super::super::testing::Packet| (packet.nanos, packet.interface, packet.length);
    outcome
        .packets
        .iter()
        .map(|packet| {
            let (nanos, interface, length) = shape(packet);
            (nanos, interface, length, packet.bytes.as_slice())
        })
        .collect()
}

/// An option of a block.
fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let mut option = [code.to_le_bytes(), (value.len() as u16).to_le_bytes()].concat();
    option.extend_from_slice(value);
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

#[test]
fn a_file_of_either_byte_order_is_read() {
    #[rustfmt::skip]
    let little = [
        0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 28, 0, 0, 0,
        1, 0, 0, 0, 20, 0, 0, 0, 101, 0, 0, 0, 0, 4, 0, 0, 20, 0, 0, 0,
        6, 0, 0, 0, 36, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 60, 0, 0, 0,
        0x45, 0x46, 0, 0, 36, 0, 0, 0,
    ];
    #[rustfmt::skip]
    let big = [
        0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 28, 0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 28,
        0, 0, 0, 1, 0, 0, 0, 20, 0, 101, 0, 0, 0, 0, 4, 0, 0, 0, 0, 20,
        0, 0, 0, 6, 0, 0, 0, 36, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 60,
        0x45, 0x46, 0, 0, 0, 0, 0, 36,
    ];
    for file in [little, big] {
        let outcome = read(&file);
        assert_eq!(outcome.message(), "");
        assert_eq!(shape(&outcome), [(4_294_967_298_000, 0, 60, [0x45, 0x46].as_slice())]);
        assert_eq!(outcome.interfaces, [Interface { name: None, link: LinkType::RAW, snaplen: 1024 }]);
    }
    // The second section is of the other byte order, and its interface is the second of the file.
    let outcome = read(&[little, big].concat());
    let interfaces: Vec<_> = outcome.packets.iter().map(|packet| packet.interface).collect();
    assert_eq!((interfaces, outcome.interfaces.len(), outcome.message().as_str()), (vec![0, 1], 2, ""));
}

#[test]
fn interfaces_have_names_and_clocks_of_their_own() {
    let nanoseconds = [option(2, b"eth0\0"), option(9, &[9]), option(0, &[])].concat();
    let halves = [option(1, b"a comment"), option(9, &[0x81]), option(14, &10i64.to_le_bytes())].concat();
    let file = [
        section(),
        interface(1, 0, &nanoseconds),
        packet(0, 1_500, &DATA),
        interface(113, 96, &halves),
        packet(1, 3, &DATA),
        packet(0, 7, &DATA),
    ];
    let outcome = read(&file.concat());
    assert_eq!(outcome.message(), "");
    let times: Vec<_> = outcome.packets.iter().map(|packet| (packet.interface, packet.link.0, packet.nanos)).collect();
    assert_eq!(times, [(0, 1, 1_500), (1, 113, 11_500_000_000), (0, 1, 7)]);
    let names: Vec<_> = outcome.interfaces.iter().map(|i| (i.name.as_deref(), i.snaplen)).collect();
    assert_eq!(names, [(Some("eth0"), 0), (None, 96)]);
}

#[test]
fn simple_packets_take_the_time_of_the_packet_before_them() {
    let simple = |length: u32, stored: &[u8]| block(3, &[&little(&[length]), stored].concat());
    let file = [
        section(),
        interface(1, 6, &[]),
        simple(3, &DATA[..3]),
        packet(0, 5, &DATA),
        simple(100, &[9; 6]),
        section(),
        interface(1, 0, &[]),
        simple(2, &DATA[..2]),
    ];
    let outcome = read(&file.concat());
    assert_eq!(outcome.message(), "");
    assert_eq!(
        shape(&outcome),
        [(0, 0, 3, &DATA[..3]), (5_000, 0, 4, &DATA[..]), (5_000, 0, 100, &[9; 6]), (0, 1, 2, &DATA[..2])]
    );
}

#[test]
fn obsolete_packet_blocks_are_packets_and_unknown_blocks_are_not() {
    // Interface 1 and 7 dropped packets share a number.
    let obsolete = block(2, &[little(&[0x0007_0001, 0, 9, 4, 4]), DATA.to_vec(), option(1, b"note")].concat());
    let file = [
        section(),
        interface(1, 0, &[]),
        interface(1, 0, &[]),
        block(0x0bad, &[&little(&[32473]), DATA.as_slice()].concat()),
        obsolete,
        block(0x4000_0bad, &little(&[32473])),
        block(5, &little(&[0, 0, 0])),
        block(0xdead_beef, &[0; 3_000_000]),
        block(0x8000_0001, &[]),
        packet(0, 10, &[]),
    ];
    let outcome = read(&file.concat());
    assert_eq!(outcome.message(), "");
    assert_eq!(shape(&outcome), [(9_000, 1, 4, &DATA[..]), (10_000, 0, 0, &[])]);
}

#[test]
fn the_length_of_a_section_and_its_options_do_not_matter() {
    let body = [little(&[0x1a2b_3c4d, 1, 12345, 0]), option(4, b"a program"), option(0, &[])].concat();
    let minor_two = little(&[0x1a2b_3c4d, 0x0002_0001, u32::MAX, u32::MAX]);
    for header in [body, minor_two] {
        let file = [block(0x0a0d_0d0a, &header), interface(1, 0, &[]), packet(0, 1, &DATA)];
        let outcome = read(&file.concat());
        assert_eq!((outcome.packets.len(), outcome.message().as_str()), (1, ""));
    }
}

#[test]
fn what_is_impossible_is_corrupt_where_it_begins() {
    let good = [section(), interface(1, 0, &[]), packet(0, 1, &DATA)].concat();
    let begin = good.len();
    assert_eq!(begin, 84);
    let mut lying_trailer = packet(0, 2, &DATA);
    lying_trailer[32] = 40;
    let mut lying_unknown = block(5, &DATA);
    lying_unknown[12] = 20;
    for (bad, reason) in [
        (little(&[6, 11, 0]), "a block cannot have a length of 11 bytes"),
        (little(&[6, 8, 0]), "a block cannot have a length of 8 bytes"),
        (little(&[6, 0, 0]), "a block cannot have a length of 0 bytes"),
        (little(&[7, 34, 0]), "a block cannot have a length of 34 bytes"),
        (little(&[7, u32::MAX, 0]), "a block cannot have a length of 4294967295 bytes"),
        (lying_trailer, "a block of 36 bytes ends with the length 40"),
        (lying_unknown, "a block of 16 bytes ends with the length 20"),
        (packet(1, 2, &DATA), "a packet of interface 1, but 1 were described before it"),
        (
            block(6, &little(&[0, 0, 2, 262_145, 262_145])),
            "262145 captured bytes in one packet; no more than 262144 are possible",
        ),
        (block(6, &little(&[0, 0, 2, 4, 4])), "a packet block of 32 bytes for 4 captured bytes"),
        (little(&[6, 0xffff_fffc, 0, 0, 2, 4, 4]), "a packet block of 4294967292 bytes for 4 captured bytes"),
        (block(6, &[0; 16]), "a packet block of 28 bytes for 0 captured bytes"),
        (block(3, &little(&[100])), "a packet block of 16 bytes for 100 captured bytes"),
        (block(1, &[]), "an interface block of only 12 bytes"),
        (interface(1, 0, &[2, 0, 9, 0]), "option 2 is longer than its interface block"),
        (interface(1, 0, &option(9, &[6, 6])), "option 9 of an interface block has an impossible length of 2"),
        (interface(1, 0, &option(14, &[0; 4])), "option 14 of an interface block has an impossible length of 4"),
        (block(0x0a0d_0d0a, &little(&[0x1a2b_3c4e, 1, 0, 0])), "the section header has no byte-order magic"),
        ([little(&[0x0a0d_0d0a, 24, 0x1a2b_3c4d, 1, 0, 0]), vec![0; 8]].concat(), "a section header of only 24 bytes"),
    ] {
        // What is after the bad block could be taken for its content.
        let outcome = read(&[good.as_slice(), &bad, &[0; 64]].concat());
        assert_eq!(outcome.message(), format!("`test` is corrupt at byte {begin}: {reason}"));
        assert_eq!(outcome.packets.len(), 1, "{reason}");
        assert!(outcome.error.is_some_and(|error| error.is_truncation()));
    }
}

#[test]
fn interfaces_belong_to_their_section() {
    let outcome = read(&[section(), interface(1, 0, &[]), section(), packet(0, 1, &DATA)].concat());
    assert_eq!(
        outcome.message(),
        "`test` is corrupt at byte 76: a packet of interface 0, but 0 were described before it"
    );
}

#[test]
fn a_version_that_does_not_exist_is_refused() {
    let outcome = read(&block(0x0a0d_0d0a, &little(&[0x1a2b_3c4d, 2, 0, 0])));
    assert_eq!(outcome.message(), "cannot read `test`: pcapng version 2.0 does not exist; netscript reads version 1.0");
}

#[test]
fn a_file_that_is_cut_says_where_and_in_what() {
    let whole = [section(), interface(1, 0, &option(2, b"eth0")), packet(0, 1, &DATA), block(5, &[0; 8])].concat();
    for (length, packets, message) in [
        (3, 0, "3, inside the magic number that begins at byte 0"),
        (23, 0, "23, inside a section header that begins at byte 0"),
        (27, 0, "27, inside a block that begins at byte 0"),
        (28, 0, ""),
        (39, 0, "39, inside a block that begins at byte 28"),
        (43, 0, "43, inside an interface block that begins at byte 28"),
        (47, 0, "47, inside an interface block that begins at byte 28"),
        (51, 0, "51, inside an interface block that begins at byte 28"),
        (55, 0, "55, inside a block that begins at byte 28"),
        (56, 0, ""),
        (83, 0, "83, inside a packet block that begins at byte 56"),
        (91, 0, "91, inside a packet block that begins at byte 56"),
        (92, 1, ""),
        (110, 1, "110, inside a block that begins at byte 92"),
        (112, 1, ""),
    ] {
        let outcome = read(&whole[..length]);
        let message = match message {
            "" => String::new(),
            rest => format!("`test` is cut short: it ends at byte {rest}"),
        };
        assert_eq!((outcome.packets.len(), outcome.message()), (packets, message));
    }
}

#[test]
fn an_unknown_block_of_four_gigabytes_is_passed_over_up_to_the_end_of_the_file() {
    let outcome = read(&[section(), little(&[7, 0xffff_fffc]), vec![0; 5_000_000]].concat());
    assert_eq!(
        outcome.message(),
        "`test` is cut short: it ends at byte 5000036, inside a block that begins at byte 28"
    );
}

#[test]
fn a_flood_of_interfaces_ends() {
    let mut file = section();
    for _ in 0..=MOST_INTERFACES {
        file.extend_from_slice(&interface(1, 0, &[]));
    }
    let outcome = read(&file);
    assert_eq!(outcome.interfaces.len(), MOST_INTERFACES);
    let begin = 28 + 20 * MOST_INTERFACES;
    assert_eq!(outcome.message(), format!("`test` is corrupt at byte {begin}: more than 262144 interfaces"));
}

#[test]
fn the_name_of_an_interface_is_kept_within_bounds() {
    let outcome = read(&[section(), interface(1, 0, &option(2, &[b'x'; 65_000]))].concat());
    assert_eq!(outcome.message(), "");
    assert_eq!(outcome.interfaces[0].name.as_ref().map(String::len), Some(LONGEST_NAME));
}
