//! What lines have begun, and what becomes of it while nobody asks anything.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::screen::{ENTER, repl};

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// An address on which nothing listens.
fn free() -> SocketAddr {
    listener().local_addr().unwrap()
}

#[test]
fn a_proxy_asks_its_closure_and_says_what_happens_at_the_prompt() {
    let (targets, [chosen, failing]) = ([listener(), listener()], [free(), free()]);
    let addresses = targets.each_ref().map(|target| target.local_addr().unwrap().to_string());
    // Without its closure each connection would wait for long.
    let app = format!(
        "#{{ name: \"a\", ports: [\"{chosen}\", \"{failing}\"], targets: {addresses:?}, check: false, \
         connect_timeout: \"1h\", pick: |c, t| if c.port == {} {{ throw \"no idea\" }} else {{ t[1] }} }}",
        failing.port()
    );
    let (mut terminal, _state) = repl(&["--allow", "serve"]);
    terminal.ask(&format!("let p = proxy([{app}], #{{ dispatch: \"bind\" }})"));
    terminal.ask("p.start();");
    terminal.press("1 + ");
    terminal.wait_for("> 1 +");
    for _ in 0..3 {
        let mut client = TcpStream::connect(chosen).unwrap();
        client.write_all(b"x").unwrap();
        targets[1].accept().unwrap().0.read_exact(&mut [0]).unwrap();
    }
    let _client = TcpStream::connect(failing).unwrap();
    terminal.wait_for("has its turn\n> 1 +");
    let said = "netscript: app a: pick failed: no idea; where it does not choose, each target has its turn";
    assert!(terminal.lines().concat().contains(&format!("{said}> 1 +")), "{:?}", terminal.lines());
    terminal.press("1");
    terminal.press(ENTER);
    terminal.prompt();
    assert_eq!(terminal.answer(), "2");
}
