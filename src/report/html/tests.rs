//! The page, piece by piece.

use std::io;

use crate::limits::Loss;
use crate::record::Value;
use crate::report::sample::{Exchange, exchange, finding, hop, outcome, rendered, statuses, table};
use crate::report::{Chart, Finding, Format, Outcome, Renderer, Severity, Style, Verdict};

fn run(tell: impl FnOnce(&mut dyn Renderer) -> io::Result<()>) -> String {
    let style = Style { title: "token-hunt".to_owned(), source: "incident.pcap".to_owned(), ..Style::default() };
    rendered(Format::Html, style, tell)
}

/// What stands between the header and the footer, below the style.
fn body(page: &str) -> &str {
    let (_, main) = page.split_once("<main>\n").unwrap();
    main.split_once("<footer>").unwrap().0
}

#[test]
fn the_verdict_stands_first_and_the_findings_before_what_was_printed() {
    let page = run(|to| {
        to.text("one <line>")?;
        to.text("another")?;
        table(to, &["path", "status", "latency"], &[exchange(0), Exchange { status: None, ..Exchange::new(1) }.row()])?;
        to.pass("all well")?;
        to.note("by the way")?;
        to.finding(&finding(vec![Value::Record(hop(2)), Value::from("x & y")]))?;
        let reasons = vec!["1 gap, 9 bytes of TCP payload missing".to_owned()];
        let loss = Loss { gaps: 1, gap_bytes: 9, http_cut: 2, ..Loss::default() };
        to.finish(&Outcome { reasons, loss, ..outcome(Verdict::Finding) })
    });
    assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">\n"));
    assert!(page.contains("<title>token-hunt: finding</title>"));
    assert_eq!(
        body(&page),
        r#"<header class="panel finding">
<h1>token-hunt</h1>
<p class="source">incident.pcap</p>
<p class="verdict"><strong>finding</strong> 1 finding</p>
<ul class="reasons">
<li>1 gap, 9 bytes of TCP payload missing</li>
</ul>
<dl class="counts">
<div><dt>packets captured</dt><dd>18,211</dd></div>
<div><dt>packets received</dt><dd>18,211</dd></div>
<div><dt>packets dropped</dt><dd>0</dd></div>
</dl>
<p class="note">2 HTTP messages not kept whole (limit)</p>
</header>
<section><h2>Finding</h2>
<article class="panel high">
<p class="severity">high</p>
<h3>192.0.2.1 still sends a rejected credential</h3>
<p class="who"><code>expired-credential</code> 192.0.2.1</p>
<div class="scroll"><table>
<thead><tr><th scope="col" class="number">ttl</th><th scope="col" class="text">address</th><th scope="col" class="text">rtts</th></tr></thead>
<tbody>
<tr><td class="number">2</td><td class="none text">-</td><td class="text">1.5ms, 2ms</td></tr>
</tbody></table></div>
<pre>x &amp; y</pre>
</article>
</section>
<section><h2>Checks and notes</h2>
<div class="panel"><ul class="checks">
<li class="pass">all well</li>
<li>by the way</li>
</ul></div>
</section>
<section><h2>Output</h2>
<div class="panel output">
<pre>one &lt;line&gt;
another
</pre>
<div class="scroll"><table>
<thead><tr><th scope="col" class="text">path</th><th scope="col" class="number">status</th><th scope="col" class="number">latency</th></tr></thead>
<tbody>
<tr><td class="text">/orders/0</td><td class="number">401</td><td class="number">1.5ms</td></tr>
<tr><td class="text">/orders/1</td><td class="none number">-</td><td class="number">11.5ms</td></tr>
</tbody></table></div>
</div>
</section>
"#
    );
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = run(|to| {
        to.chart(&statuses())?;
        to.finish(&outcome(Verdict::Clean))
    });
    for sign in ["http://", "https://", "src=", "<script", "<link", "@import", "url("] {
        assert!(!page.contains(sign), "{sign}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn nothing_that_was_on_the_wire_becomes_markup() {
    let hostile = || Exchange::hostile().row();
    let page = run(|to| {
        table(to, &[], &[hostile()])?;
        to.value(&Value::Record(hostile()))?;
        to.text("</pre><script>x\x1b")?;
        to.pass("<script>")?;
        to.chart(&Chart { points: vec![("<script>\"".to_owned(), 1.0)], title: "<script>".to_owned(), ..statuses() })?;
        let text = || "<script>'\"&\u{202e}".to_owned();
        to.finding(&Finding {
            id: text(),
            subject: text(),
            title: text(),
            severity: Severity::Info,
            evidence: vec![Value::Record(hostile()), Value::Text(text().into())],
        })?;
        to.finish(&Outcome { reasons: vec![text()], ..outcome(Verdict::Error) })
    });
    assert!(!page.contains("<script"));
    assert!(!page.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'));
    assert!(page.contains("&lt;script&gt;&#39;&quot;&amp;\\u{202e}"));
}

#[test]
fn a_long_table_is_cut_with_a_note() {
    let page = run(|to| {
        to.begin_table(&["path".to_owned()])?;
        for _ in 0..1234 {
            to.row(&exchange(0))?;
        }
        to.end_table()?;
        to.finish(&outcome(Verdict::Clean))
    });
    assert_eq!(page.matches("<tr><td").count(), 1000);
    assert!(page.contains("<p class=\"note\">the first 1,000 are shown, 234 more rows left out</p>"));
}

#[test]
fn a_part_that_would_not_end_is_cut_with_a_note() {
    let mut part = super::Part::default();
    part.push("first");
    part.push(&"x".repeat(super::PART));
    part.push_line(&"x".repeat(super::PART));
    part.push("last");
    let mut html = String::new();
    part.end(&mut html, "Output", ("", ""));
    assert_eq!(
        html,
        "<section><h2>Output</h2>\nfirstlast<p class=\"note\">2 more left out, as this page would be too long</p>\n</section>\n"
    );
}

#[test]
fn a_record_is_a_card() {
    let page = run(|to| {
        to.value(&Value::Record(Exchange { host: None, ..Exchange::new(0) }.row()))?;
        to.finish(&outcome(Verdict::Clean))
    });
    for line in [
        "<tr><th scope=\"row\">credential.scheme</th><td>Bearer</td></tr>",
        "<tr><th scope=\"row\">bytes</th><td>4,380</td></tr>",
        "<tr><th scope=\"row\">request_headers</th><td>User-Agent: curl/8.5\nX.Dotted: yes\n",
        "<tr><th scope=\"row\">body</th><td>hello</td></tr>",
    ] {
        assert!(page.contains(line), "{line}");
    }
    assert!(!page.contains("<th scope=\"row\">host</th>"));
}

#[test]
fn charts_are_drawn_in_the_page() {
    let page = run(|to| {
        to.chart(&statuses())?;
        let points = vec![("17:00".to_owned(), 1.0), ("17:01".to_owned(), f64::NAN), ("17:02".to_owned(), 4.0)];
        to.chart(&Chart { title: "rate".to_owned(), unit: "per second".to_owned(), over_time: true, points })?;
        to.chart(&Chart { points: Vec::new(), ..statuses() })?;
        to.finish(&outcome(Verdict::Clean))
    });
    assert!(page.contains("<figcaption>responses by status <span>responses</span></figcaption>\n<svg"));
    assert!(page.contains("<title>401: 301</title>"));
    assert!(page.contains("<polyline class=\"stroke\" points=\"70.0,130.0 530.0,170.0 990.0,10.0\"/>"), "{page}");
    assert!(page.contains("<p class=\"note\">no values</p>"));
}
