//! What `proxy()` is told, and what it refuses before anything listens.

use super::check;
use crate::support::program::Folder;

#[test]
fn what_is_wrong_with_a_proxy_is_said_before_it_listens() {
    let folder = Folder::new();
    let story = r#"{"Apps":[{"Name":"five-thousand","Ports":[5001,5200],"Targets":["a.example:5001","b.example"]}]}"#;
    folder.write("apps.json", story);
    folder.write("broken.json", &story[..40]);
    let wrong = story.replace("5200", "70000").replace("\"b.example\"", "\"a:b:c\"");
    folder.write("wrong.json", wrong);
    folder.write("long.json", format!("[{}]", " ".repeat(1 << 20)));
    check("proxy.txt", &folder);
    assert!(!folder.has("out.log"));
}
