//! What people read: one page that needs nothing else, and asks for itself again.

use std::fmt::Write as _;

use super::{History, Status, plot};
use crate::record::Time;
use crate::report::fragment;
use crate::trace::Verdict;

/// Seconds after which a browser asks for it again.
const REFRESH: u32 = 5;

/// Columns of a line that are shown.
const LONG: usize = 2000;

/// The page.
pub(super) fn html(status: &Status, now: Time) -> String {
    let title = fragment::text(status.title(), LONG);
    let all = status.endpoints().len();
    let open = status.endpoints().iter().filter(|history| history.last().verdict == Verdict::Open).count();
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"refresh\" content=\"{REFRESH}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{open} of {all} open: {title}</title>\n<style>\n{}{}</style>\n</head>\n<body>\n<main>\n\
         <header class=\"panel\">\n<h1>{title}</h1>\n<p class=\"source\">as of {now}, asked for again every {REFRESH} s; \
         also as <a href=\"report.json\">JSON</a> and <a href=\"metrics\">metrics</a></p>\n</header>\n",
        fragment::STYLE,
        include_str!("page.css")
    );
    if status.endpoints().is_empty() {
        page.push_str("<p class=\"note\">The first round is not over yet.</p>\n");
    }
    for history in status.endpoints() {
        endpoint(&mut page, history);
    }
    let version = env!("CARGO_PKG_VERSION");
    let _ = write!(page, "<footer>netscript {version}, times are UTC</footer>\n</main>\n</body>\n</html>\n");
    page
}

fn endpoint(page: &mut String, history: &History) {
    let last = history.last();
    let counts: Vec<String> =
        history.counts().filter(|(_, count)| *count > 0).map(|(verdict, count)| format!("{count} {verdict}")).collect();
    let _ = writeln!(
        page,
        "<section>\n<h2 class=\"endpoint\">{}</h2>\n<div class=\"panel {}\">\n\
         <p class=\"verdict\"><strong>{}</strong> {}</p>\n<p class=\"note\">since {}; rounds: {}</p>",
        fragment::text(&last.endpoint, LONG),
        class(last.verdict),
        last.verdict,
        fragment::text(&last.reason, LONG),
        history.since(),
        counts.join(", "),
    );
    plot::write(page, history);
    if !last.hops.is_empty() {
        page.push_str(&fragment::table(&last.hops));
    }
    if !last.text.is_empty() {
        page.push_str("<details open><summary>The last round as text</summary>\n<pre class=\"raw\">");
        for line in last.text.lines() {
            let _ = writeln!(page, "{}", fragment::text(line, LONG));
        }
        page.push_str("</pre></details>\n");
    }
    page.push_str("</div>\n</section>\n");
}

/// How a verdict is coloured.
pub(super) const fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Open => "good",
        Verdict::Closed | Verdict::Inconclusive => "unsure",
        Verdict::Filtered | Verdict::Prohibited | Verdict::Unreachable => "bad",
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{HOSTILE, at, status};
    use super::*;

    #[test]
    fn the_page_shows_verdict_path_plot_and_text_with_its_lines() {
        let page = html(&status(), at(60));
        assert!(page.contains("<strong>filtered</strong> it is filtered</p>"), "{page}");
        assert!(page.contains("rounds: 2 open, 1 filtered</p>"), "{page}");
        assert!(page.contains("<td class=\"text\">router.example</td>"), "{page}");
        assert!(page.contains("<svg "), "{page}");
        assert!(page.contains("<pre class=\"raw\">round of filtered\n  1  router.example\n  2  &lt;/td&gt;"), "{page}");
    }

    #[test]
    fn what_is_hostile_is_shown_as_text() {
        let page = html(&status(), at(60));
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains('\u{202e}'), "{page}");
        assert!(page.contains("&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=&#39;"), "{page}");
        assert!(page.contains("<title>1 of 2 open: Egress &lt;of&gt; &quot;us&quot;</title>"), "{page}");
        assert!(HOSTILE.contains('\u{202e}') && page.contains(r"\u{202e}.example"), "{page}");
    }
}
