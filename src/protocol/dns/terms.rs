//! What numbers in DNS messages are called, as IANA's registry has them.

use std::borrow::Cow;

/// The type of a record or a question: `AAAA`, or `TYPE65280` if it has no name here (RFC 3597).
#[must_use]
pub fn type_name(kind: u16) -> Cow<'static, str> {
    known(TYPES, kind).map_or_else(|| format!("TYPE{kind}").into(), Cow::Borrowed)
}

/// The class of a record or a question: `IN`, or `CLASS32` if it has no name here (RFC 3597).
pub(super) fn class_name(class: u16) -> Cow<'static, str> {
    known(CLASSES, class).map_or_else(|| format!("CLASS{class}").into(), Cow::Borrowed)
}

/// What an answer says of the question: `NXDOMAIN`, or `RCODE4000` if it has no name here.
#[must_use]
pub fn rcode_name(rcode: u16) -> Cow<'static, str> {
    known(RCODES, rcode).map_or_else(|| format!("RCODE{rcode}").into(), Cow::Borrowed)
}

/// What a message is for: `QUERY`, or `OPCODE9` if it has no name here.
pub(super) fn opcode_name(opcode: u8) -> Cow<'static, str> {
    known(OPCODES, opcode.into()).map_or_else(|| format!("OPCODE{opcode}").into(), Cow::Borrowed)
}

/// What a parameter of a service binding is called (RFC 9460, section 14.3.2).
pub(super) fn parameter_name(key: u16) -> Cow<'static, str> {
    known(PARAMETERS, key).map_or_else(|| format!("key{key}").into(), Cow::Borrowed)
}

fn known(names: &[(u16, &'static str)], number: u16) -> Option<&'static str> {
    names.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

const TYPES: &[(u16, &str)] = &[
    (1, "A"),
    (28, "AAAA"),
    (5, "CNAME"),
    (2, "NS"),
    (6, "SOA"),
    (7, "MB"),
    (8, "MG"),
    (9, "MR"),
    (10, "NULL"),
    (12, "PTR"),
    (13, "HINFO"),
    (14, "MINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (24, "SIG"),
    (25, "KEY"),
    (29, "LOC"),
    (33, "SRV"),
    (35, "NAPTR"),
    (36, "KX"),
    (37, "CERT"),
    (39, "DNAME"),
    (41, "OPT"),
    (42, "APL"),
    (43, "DS"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (49, "DHCID"),
    (50, "NSEC3"),
    (51, "NSEC3PARAM"),
    (52, "TLSA"),
    (53, "SMIMEA"),
    (55, "HIP"),
    (59, "CDS"),
    (60, "CDNSKEY"),
    (61, "OPENPGPKEY"),
    (62, "CSYNC"),
    (63, "ZONEMD"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (99, "SPF"),
    (108, "EUI48"),
    (109, "EUI64"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (253, "MAILB"),
    (254, "MAILA"),
    (255, "ANY"),
    (256, "URI"),
    (257, "CAA"),
    (32768, "TA"),
    (32769, "DLV"),
];

const CLASSES: &[(u16, &str)] = &[(1, "IN"), (3, "CH"), (4, "HS"), (254, "NONE"), (255, "ANY")];

const RCODES: &[(u16, &str)] = &[
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (6, "YXDOMAIN"),
    (7, "YXRRSET"),
    (8, "NXRRSET"),
    (9, "NOTAUTH"),
    (10, "NOTZONE"),
    (11, "DSOTYPENI"),
    (16, "BADVERS"),
    (17, "BADKEY"),
    (18, "BADTIME"),
    (19, "BADMODE"),
    (20, "BADNAME"),
    (21, "BADALG"),
    (22, "BADTRUNC"),
    (23, "BADCOOKIE"),
];

const OPCODES: &[(u16, &str)] = &[(0, "QUERY"), (1, "IQUERY"), (2, "STATUS"), (4, "NOTIFY"), (5, "UPDATE"), (6, "DSO")];

const PARAMETERS: &[(u16, &str)] = &[
    (0, "mandatory"),
    (1, "alpn"),
    (2, "no-default-alpn"),
    (3, "port"),
    (4, "ipv4hint"),
    (5, "ech"),
    (6, "ipv6hint"),
    (7, "dohpath"),
    (8, "ohttp"),
];
