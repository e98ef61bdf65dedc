use netscript::limits::Limits;
use netscript::packet::{Decoder, LinkType, RawPacket};
use netscript::record::Time;
use std::hint::black_box;
use std::time::Instant;
fn main() {
    let eth = |ty: u16| {
        let mut v = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        v.extend(ty.to_be_bytes());
        v
    };
    let ip = |len: u16, proto: u8| {
        let mut v = vec![0x45, 0];
        v.extend(len.to_be_bytes());
        v.extend([0, 1, 0x40, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        v
    };
    let tcp = [0x12, 0x34, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1, 0, 0, 0, 0, 0];
    let mut p = eth(0x800);
    p.extend(ip(40 + 1000, 6));
    p.extend(tcp);
    p.extend(vec![0x61; 1000]);
    let mut u = eth(0x800);
    u.extend(ip(28 + 100, 17));
    u.extend([0, 53, 0x12, 0x34, 0, 108, 0, 0]);
    u.extend(vec![0; 100]);
    let mut p6 = eth(0x86dd);
    p6.extend([0x60, 0, 0, 0, 0, 120, 6, 64]);
    p6.extend([1; 32]);
    p6.extend(tcp);
    p6.extend(vec![0; 100]);
    let mut v = eth(0x8100);
    v.extend([0, 5, 8, 0]);
    v.extend(&p[14..]);
    let mut vx = eth(0x800);
    vx.extend(ip((36 + p.len()) as u16, 17));
    vx.extend([0, 53, 0x12, 0xb5]);
    vx.extend(((16 + p.len()) as u16).to_be_bytes());
    vx.extend([0, 0, 8, 0, 0, 0, 0, 0, 9, 0]);
    vx.extend(&p);
    let mut d = Decoder::new(&Limits::default());
    for (name, bytes) in [("tcp", &p), ("udp", &u), ("tcp6", &p6), ("vlan tcp", &v), ("vxlan tcp", &vx)] {
        let raw = RawPacket {
            time: Time::from_nanos(0),
            length: bytes.len() as u32,
            link: LinkType::ETHERNET,
            interface: 0,
            bytes,
        };
        println!("{:?}", d.decode(&raw).transport);
        for _ in 0..3 {
            let n = 20_000_000u32;
            let t = Instant::now();
            for _ in 0..n {
                let raw = black_box(&raw);
                black_box(&d.decode(raw));
            }
            println!("{name}: {:.1} ns", t.elapsed().as_nanos() as f64 / f64::from(n));
        }
    }
}
