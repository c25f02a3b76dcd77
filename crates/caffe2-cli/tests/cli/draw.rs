//! `caffe2 draw`: pictures, and text that others draw.

use caffe2::{Caffe2Message as _, NetDef, OperatorDef};

use super::{Desk, two_files};

#[test]
fn every_format_names_every_operator() {
    let desk = Desk::new();
    for (name, start) in [("n.svg", "<svg "), ("n.dot", "digraph "), ("n.mmd", "flowchart TD\n")] {
        assert_eq!(desk.caffe2(&format!("draw {} -o {name}", two_files("digits"))).succeeded(), "");
        let text = String::from_utf8(desk.bytes(name)).unwrap();
        assert!(text.starts_with(start), "{text}");
        for words in
            ["Scale", "Conv", "Relu", "MaxPool", "AveragePool", "FC", "Softmax", "1×16×2×2", "64→10", "data"]
        {
            assert!(text.contains(words), "no `{words}` in {name}: {text}");
        }
    }
    let text = desk.caffe2(&format!("draw {}", two_files("digits"))).succeeded();
    assert_eq!(text.as_bytes(), desk.bytes("n.dot"));
}

#[test]
fn an_operator_in_place_is_no_circle() {
    let desk = Desk::new();
    let relu = || OperatorDef::new("Relu").input("x").output("x");
    desk.put_net("net.pbtxt", &NetDef::new("n").op(relu()).op(relu()).external_output("x"));
    let text = desk.caffe2("draw net.pbtxt").succeeded();
    let edges: Vec<_> = text.lines().filter(|line| line.contains("->")).map(str::trim).collect();
    assert_eq!(edges, ["n0 -> n1;", "n1 -> n2;"]);
}

#[test]
fn names_cannot_break_the_picture() {
    let desk = Desk::new();
    let name = "<a & \"b\">\n]";
    let op = OperatorDef::new("Relu").named(name).input(name).output("y");
    desk.put("net.pb", NetDef::new(name).op(op).external_output("y").to_binary());
    for format in ["svg", "dot", "mmd"] {
        desk.caffe2(&format!("draw net.pb -o n.{format}")).succeeded();
    }
    let svg = String::from_utf8(desk.bytes("n.svg")).unwrap();
    assert!(svg.contains("&lt;a &amp; &quot;b&quot;&gt;") && !svg.contains("<a &"), "{svg}");
    let dot = String::from_utf8(desk.bytes("n.dot")).unwrap();
    assert!(dot.contains(r#"\"b\""#), "{dot}");
}

#[test]
fn dense_connections_stay_narrow() {
    let model = caffe2_zoo::model("densenet121").unwrap();
    let desk = Desk::new();
    desk.put("net.pb", model.predict_net().to_binary());
    desk.caffe2("draw net.pb -o n.svg").succeeded();
    let svg = String::from_utf8(desk.bytes("n.svg")).unwrap();
    let width: f64 = svg.split_once("width=\"").unwrap().1.split_once('"').unwrap().0.parse().unwrap();
    assert!(width < 600.0, "{width}");
    assert_eq!(svg.matches(">Concat<").count(), 58);
}

#[test]
fn a_picture_that_cannot_be_written_leaves_the_old_one() {
    let desk = Desk::new();
    desk.put("n.svg", "old");
    desk.caffe2("draw absent.pb -o n.svg").failed(&["absent.pb"]);
    assert_eq!(desk.bytes("n.svg"), b"old");
    desk.caffe2(&format!("draw {} -o no/n.svg", two_files("digits"))).failed(&["its folder does not exist"]);
}
