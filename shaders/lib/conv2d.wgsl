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
