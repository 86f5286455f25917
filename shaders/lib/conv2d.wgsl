// The sizes of a convolution that its shaders share: images, planes of x and y, and how windows move.
override N: u32;
override H: u32;
override W: u32;
override OH: u32;
override OW: u32;
override STRIDE_H: u32;
override STRIDE_W: u32;
override PAD_H: u32;
override PAD_W: u32;
override DILATION_H: u32;
override DILATION_W: u32;
override GROUPS: u32;

// k / d for k below `end`: by a product of 24 bits where that is exact, which costs a quarter of one of 32.
fn quotient(k: u32, d: u32, end: u32) -> u32 {
    if (d & (d - 1u)) != 0u && end <= 65535u / d {
        return ((k & 0xffffu) * (65535u / d + 1u)) >> 16u;
    }
    return k / d;
}
