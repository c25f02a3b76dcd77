//! `caffe2 predict`: a picture in, classes out.

use caffe2::{NetDef, OperatorDef};

use super::{Desk, file, two_files};

/// A net that tells how blue, green and red a picture of 2 by 2 is, in order.
fn colours() -> (NetDef, NetDef) {
    let fill = |name: &str, shape: Vec<i64>, values: Vec<f32>| {
        OperatorDef::new("GivenTensorFill").output(name).arg("shape", shape).arg("values", values)
    };
    let eye: Vec<f32> = (0..9).map(|i| if i % 4 == 0 { 1.0 } else { 0.0 }).collect();
    let init = NetDef::new("init").op(fill("w", vec![3, 3, 1, 1], eye)).op(fill("b", vec![3], vec![0.0; 3]));
    let net = NetDef::new("colours")
        .op(OperatorDef::new("Conv").inputs(["data", "w", "b"]).output("c").arg("kernel", 1))
        .op(OperatorDef::new("AveragePool").input("c").output("mean").arg("global_pooling", 1));
    (init, net)
}

fn desk() -> Desk {
    let desk = Desk::new();
    let (init, net) = colours();
    desk.put_net("init.pbtxt", &init);
    desk.put_net("net.pbtxt", &net);
    let pixels = image::RgbImage::from_pixel(4, 2, image::Rgb([200, 100, 50]));
    pixels.save(desk.path("p.png")).unwrap();
    desk.put("names.txt", "blue\ngreen\nred\n");
    desk
}

const NET: &str = "predict net.pbtxt --init init.pbtxt --image p.png --crop 2";

#[test]
fn colours_come_as_caffe_has_them() {
    let text = desk().caffe2(&format!("{NET} --mean 0 --labels names.txt")).succeeded();
    assert_eq!(text, "p.png\n  200  #2  red\n  100  #1  green\n  50   #0  blue\n");
    let text =
        desk().caffe2(&format!("{NET} --mean 10,20,30 --scale 0.5 --channels rgb --top 1")).succeeded();
    assert_eq!(text, "p.png\n  95  #0\n");
}

#[test]
fn the_same_as_json_for_several_pictures() {
    let desk = desk();
    let json = desk.caffe2(&format!("{NET} --image p.png --mean 0 --labels names.txt --json --top 2")).json();
    assert_eq!(json.as_array().unwrap().len(), 2);
    let first = &json[1]["classes"][0];
    assert_eq!(
        (&first["class"], &first["label"], &first["score"]),
        (&2.into(), &"red".into(), &200.0.into())
    );
}

#[test]
fn the_size_is_that_of_the_net() {
    let photo = file("tiny_face_detector", "photo.png");
    let digits = file("predictor", "digits.minidb");
    let text =
        Desk::new().caffe2(&format!("predict {digits} --image {photo} --mean 0 --scale 0.0627")).succeeded();
    assert_eq!(text.lines().count(), 6, "{text}");
    let two = Desk::new()
        .caffe2(&format!("predict {} --image {photo} --mean 0 --scale 0.0627", two_files("digits")));
    assert_eq!(two.succeeded(), text);
}

#[test]
fn what_cannot_be_predicted_says_why() {
    let desk = desk();
    desk.put("words.png", "no picture");
    let photo = file("tiny_face_detector", "photo.png");
    for (args, words) in [
        (
            "predict net.pbtxt --init init.pbtxt --image absent.png".to_owned(),
            "absent.png: the file cannot be read",
        ),
        ("predict net.pbtxt --init init.pbtxt --image words.png".to_owned(), "words.png: "),
        (format!("{NET} --mean 1,2"), "--mean has 2 numbers, and the net takes 3 channels"),
        (format!("{NET} --input dta"), "no blob `dta` that is to be fed; there is `data`"),
        (format!("{NET} --scores maen"), "no blob `maen`; did you mean `mean`?"),
        (format!("{NET} --scores c"), "blob `c`: shape [1, 3, 2, 2] is no list of scores"),
        (format!("{NET} --resize 1"), "raise --resize"),
        (format!("{NET} --labels absent"), "absent: the file cannot be read"),
        ("predict net.pbtxt --image p.png".to_owned(), "give its init net (--init INIT)"),
        (format!("predict {} --image {photo}", two_files("tiny_face_detector")), "use `caffe2 run`"),
    ] {
        desk.caffe2(&args).failed(&[words]);
    }
}
