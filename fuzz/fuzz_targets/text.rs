#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| caffe2_tests::fuzz::run("text", data));
