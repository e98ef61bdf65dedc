//! Things that outlive nobody.

use std::process::{Child, Command, Stdio};

use std::os::unix::process::CommandExt as _;

/// Something that is undone when this value goes out of scope, and also when the process that holds it is killed.
///
/// A shell waits at the other end of a pipe. However the pipe is closed, it then undoes what was done.
pub(crate) struct Leash(Child);

impl Leash {
    /// Runs the first lines of shell at once, and the others at the end, in one shell: what the first set, the others
    /// know. Both see the variables, and say nothing.
    pub(crate) fn new(begin: &str, end: &str, variables: &[(&str, &str)]) -> Self {
        let script = format!("{begin}\nread -r _\n{end}\n");
        let mut shell = Command::new("sh");
        // In a group of its own: Ctrl-C at a terminal ends the tests, and they end this.
        shell.args(["-c", &script]).envs(variables.iter().copied()).process_group(0).current_dir("/");
        Self(shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // Nothing is done about a shell that fails: what it leaves behind says so.
        drop(self.0.wait());
    }
}
