//! What every answer of the page has.

use std::path::Path;

#[test]
fn the_first_view_is_small_and_nothing_comes_from_elsewhere() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dashboard/assets");
    let mut total = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        total += text.len();
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for elsewhere in ["http:", "https:", "@import", "url(", "eval(", "innerHTML = "] {
            assert!(!text.contains(elsewhere), "{elsewhere}");
        }
    }
    assert!(total < 50_000, "{total} bytes");
}
