//! Packets on their way into files, one after another where a single one would grow too large or too old.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::{CaptureError, Interface, OutputFile, Writer};
use crate::packet::RawPacket;
use crate::record::{Duration, Time};

/// When to begin a new file, as `-C`, `-G` and `-W` of tcpdump say it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotation {
    /// A file that is larger than so many bytes gets no more packets.
    pub bytes: Option<u64>,
    /// A file that began so long ago, in packet time, gets no more packets.
    pub every: Option<Duration>,
    /// How many files there are, at most: with `bytes` they are used again in turn, with `every` alone recording ends.
    pub files: Option<u32>,
}

/// Writes packets to a file, or to one after another.
///
/// The names are those of tcpdump. With `every`, the name is a pattern of strftime(3) for the local time of the first
/// packet; without a `%` in it each file takes the place of the one before. With `bytes`, files behind the first one get a
/// number at their end, and all of them do if their count is bounded.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    rotation: Rotation,
    writer: Option<Writer<OutputFile>>,
    /// When the present file began.
    began: Time,
    /// Files that were begun at this time.
    number: u32,
    /// Times at which files were begun.
    turns: u32,
    time_zone: TimeZone,
}

impl Recording {
    /// Opens the first file, unless its name depends on the first packet.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::create`].
    pub fn create(path: &Path, rotation: Rotation) -> Result<Self, CaptureError> {
        let mut this = Self {
            path: path.to_owned(),
            rotation,
            writer: None,
            began: Time::MIN,
            number: 0,
            turns: 0,
            time_zone: TimeZone::system(),
        };
        if rotation.every.is_none() {
            this.open()?;
        }
        Ok(this)
    }

    /// Writes a packet; see [`Writer::write`]. Gives `false` if there may be no further file for it.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::create`] and [`Writer::write`].
    pub fn write(
        &mut self,
        packet: &RawPacket<'_>,
        interfaces: &[Interface],
        comment: Option<&str>,
    ) -> Result<bool, CaptureError> {
        if !self.turn(packet.time, interfaces)? {
            return Ok(false);
        }
        match &mut self.writer {
            Some(writer) => writer.write(packet, interfaces, comment).map(|()| true),
            None => Ok(false),
        }
    }

    /// Begins the next file if it is time to. `false` if there may be none.
    #[inline]
    fn turn(&mut self, now: Time, interfaces: &[Interface]) -> Result<bool, CaptureError> {
        let Rotation { bytes, every, files } = self.rotation;
        if let Some(every) = every
            && (self.turns == 0 || now - self.began >= every)
        {
            if bytes.is_none() && files.is_some_and(|files| self.turns >= files) {
                return Ok(false);
            }
            self.finish(interfaces)?;
            (self.began, self.number) = (now, 0);
            self.turns += 1;
            self.open()?;
        } else if let (Some(bytes), Some(writer)) = (bytes, &self.writer)
            && writer.size() > bytes
        {
            self.finish(interfaces)?;
            self.number += 1;
            if files.is_some_and(|files| self.number >= files) {
                self.number = 0;
            }
            self.open()?;
        }
        Ok(true)
    }

    fn open(&mut self) -> Result<(), CaptureError> {
        let path = self.name()?;
        self.writer = Some(Writer::create(&path)?);
        Ok(())
    }

    /// The name of the present file.
    fn name(&self) -> Result<PathBuf, CaptureError> {
        let mut name = if self.rotation.every.is_some() { self.dated()? } else { self.path.clone().into_os_string() };
        let digits = match (self.rotation.bytes, self.rotation.files) {
            (Some(_), Some(files)) => files.saturating_sub(1).to_string().len(),
            (Some(_), None) if self.number > 0 => 1,
            _ => return Ok(name.into()),
        };
        name.push(format!("{:0digits$}", self.number));
        Ok(name.into())
    }

    /// The name as a pattern, filled in.
    fn dated(&self) -> Result<OsString, CaptureError> {
        let name = self.path.display().to_string();
        let refused = |error: jiff::Error| CaptureError::Output { name: name.clone(), reason: error.to_string() };
        let time = jiff::Timestamp::from_nanosecond(self.began.as_nanos().into()).map_err(refused)?;
        strtime::format(&name, &time.to_zoned(self.time_zone.clone())).map(OsString::from).map_err(refused)
    }

    /// Writes what is still in memory.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::flush`].
    pub fn flush(&mut self) -> Result<(), CaptureError> {
        self.writer.as_mut().map_or(Ok(()), Writer::flush)
    }

    /// Ends the present file.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::finish`].
    pub fn finish(&mut self, interfaces: &[Interface]) -> Result<(), CaptureError> {
        self.writer.take().map_or(Ok(()), |writer| writer.finish(interfaces))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::packet::LinkType;

    /// The names and the numbers of packets of the files that come of a packet of 1000 bytes each second.
    fn files(name: &str, rotation: Rotation, packets: i64) -> Vec<(String, usize)> {
        let folder = tempfile::tempdir().unwrap();
        let interface = [Interface { name: None, link: LinkType::ETHERNET, snaplen: 0 }];
        let mut recording = Recording::create(&folder.path().join(name), rotation).unwrap();
        recording.time_zone = TimeZone::UTC;
        for second in 0..packets {
            let time = Time::from_nanos(second * 1_000_000_000);
            let packet = RawPacket { time, length: 1000, link: LinkType::ETHERNET, interface: 0, bytes: &[0; 1000] };
            if !recording.write(&packet, &interface, None).unwrap() {
                break;
            }
        }
        recording.finish(&interface).unwrap();
        let mut found: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| {
                let path = entry.unwrap().path();
                let packets = super::super::testing::read(&fs::read(&path).unwrap()).packets.len();
                (path.file_name().unwrap().to_string_lossy().into_owned(), packets)
            })
            .collect();
        found.sort();
        found
    }

    fn expected(files: &[(&str, usize)]) -> Vec<(String, usize)> {
        files.iter().map(|(name, packets)| ((*name).to_owned(), *packets)).collect()
    }

    #[test]
    fn one_file_takes_everything_unless_somebody_says_otherwise() {
        assert_eq!(files("a.pcapng", Rotation::default(), 9), expected(&[("a.pcapng", 9)]));
    }

    #[test]
    fn files_of_a_size_are_numbered_from_the_second_on() {
        let rotation = Rotation { bytes: Some(2500), ..Rotation::default() };
        assert_eq!(files("a.pcap", rotation, 7), expected(&[("a.pcap", 3), ("a.pcap1", 3), ("a.pcap2", 1)]));
    }

    #[test]
    fn a_bounded_number_of_files_is_used_in_turn() {
        let rotation = Rotation { bytes: Some(2500), files: Some(2), every: None };
        assert_eq!(files("a.pcap", rotation, 7), expected(&[("a.pcap0", 1), ("a.pcap1", 3)]));
        let rotation = Rotation { files: Some(11), ..rotation };
        assert_eq!(files("a.pcap", rotation, 4), expected(&[("a.pcap00", 3), ("a.pcap01", 1)]));
    }

    #[test]
    fn files_of_a_time_are_named_after_it_and_end_with_their_number() {
        let rotation = Rotation { every: Some(Duration::from_secs(60)), ..Rotation::default() };
        let names = [("19700101-000000", 60), ("19700101-000100", 60), ("19700101-000200", 10)];
        assert_eq!(files("%Y%m%d-%H%M%S", rotation, 130), expected(&names));
        let rotation = Rotation { files: Some(2), ..rotation };
        assert_eq!(files("%Y%m%d-%H%M%S", rotation, 130), expected(&names[..2]));
    }

    #[test]
    fn times_and_sizes_go_together() {
        let rotation = Rotation { every: Some(Duration::from_secs(4)), bytes: Some(2500), files: None };
        let names = [("00.pcap", 3), ("00.pcap1", 1), ("04.pcap", 3)];
        assert_eq!(files("%S.pcap", rotation, 7), expected(&names));
    }

    #[test]
    fn a_pattern_that_means_nothing_is_refused() {
        let rotation = Rotation { every: Some(Duration::from_secs(60)), ..Rotation::default() };
        let folder = tempfile::tempdir().unwrap();
        let mut recording = Recording::create(&folder.path().join("%!"), rotation).unwrap();
        let packet =
            RawPacket { time: Time::default(), length: 1, link: LinkType::ETHERNET, interface: 0, bytes: &[0] };
        let interface = [Interface { name: None, link: LinkType::ETHERNET, snaplen: 0 }];
        assert!(matches!(recording.write(&packet, &interface, None), Err(CaptureError::Output { .. })));
    }
}
