//! The example `face_detector` on the photo that comes with the model.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use caffe2::files;

#[path = "../examples/face_detector/boxes.rs"]
mod boxes;
#[path = "../examples/face_detector/detector.rs"]
mod detector;

use boxes::Face;
use detector::Detector;

/// What the documentation of the model promises for its photo.
const FACE: Face = Face { score: 0.973214, x: 133.029, y: 61.164, width: 93.377, height: 89.846 };

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/models/tiny_face_detector")
}

#[track_caller]
fn assert_is_the_face(faces: &[Face]) {
    let [face] = faces else { panic!("one face is wanted: {faces:?}") };
    assert!((face.score - FACE.score).abs() < 1e-5, "{face:?}");
    for (got, want) in
        [(face.x, FACE.x), (face.y, FACE.y), (face.width, FACE.width), (face.height, FACE.height)]
    {
        assert!((got - want).abs() < 0.01, "{face:?}");
    }
}

#[test]
fn the_grid_that_caffe2_computed_has_the_face() {
    let expected = files::read_tensors(model().join("expected.npz")).unwrap();
    let (name, grid) = &expected[0];
    assert_eq!((name.as_str(), grid.dims()), ("grid", &[1, 25, 13, 13][..]));
    assert_is_the_face(&boxes::faces(grid.as_slice().unwrap()));
}

#[test]
fn the_face_in_the_photo_is_found_at_every_size() {
    let photo = image::open(model().join("photo.png")).unwrap().into_rgb8();
    let mut detector = Detector::load(&model()).unwrap();
    assert_is_the_face(&detector.detect(&photo).unwrap());
    // Twice as large, on a canvas that is wider than high: what is found scales along, roughly.
    let large = image::imageops::resize(&photo, 832, 832, image::imageops::FilterType::Triangle);
    let mut wide = image::RgbImage::new(1000, 832);
    image::imageops::replace(&mut wide, &large, 0, 0);
    let faces = detector.detect(&wide).unwrap();
    let [face] = faces.as_slice() else { panic!("one face is wanted: {faces:?}") };
    assert!((face.x / 2.0 - FACE.x).abs() < 20.0 && (face.width / 2.0 - FACE.width).abs() < 20.0, "{face:?}");
    // The same detector again, and nothing where there is nothing.
    assert_is_the_face(&detector.detect(&photo).unwrap());
    assert_eq!(detector.detect(&image::RgbImage::new(50, 80)).unwrap(), []);
}

#[test]
fn boxes_of_the_same_face_become_one() {
    // Two neighbouring cells see the same face, the second less surely; a third sees another.
    let mut grid = vec![0.0; 25 * boxes::CELLS * boxes::CELLS];
    let cells = boxes::CELLS * boxes::CELLS;
    for anchor in 0..5 {
        grid[(5 * anchor + 4) * cells..(5 * anchor + 5) * cells].fill(-10.0);
    }
    let logit = |anchor: usize, row: usize, col: usize| (5 * anchor + 4) * cells + row * boxes::CELLS + col;
    grid[logit(1, 6, 3)] = 3.0;
    grid[logit(1, 6, 4)] = 2.0;
    grid[logit(0, 1, 11)] = 1.0;
    let faces = boxes::faces(&grid);
    assert_eq!(faces.len(), 2, "{faces:?}");
    assert!((faces[0].score - 0.952_574).abs() < 1e-5 && (faces[1].score - 0.731_059).abs() < 1e-5);
    assert_eq!(faces[0].x + faces[0].width / 2.0, 3.5 * 32.0);
    assert_eq!(faces[1].scaled(0.5).y * 2.0, faces[1].y);
}
