// Winograd's F(2, 3) in one dimension: two outputs of a filter of three from four elements, by four products. Points 0, 1, -1
// and infinity: B^T, G and A^T of Lavin and Gray, arXiv:1509.09308, section 4.1.

const MADE: u32 = 2u; // outputs of a tile's side
const SIDE: u32 = 4u; // points of its side: MADE + 2
alias Line = array<f32, SIDE>;
alias Made = array<f32, MADE>;

// G g
fn filter_line(g: vec3<f32>) -> Line {
    let even = 0.5 * (g.x + g.z);
    let odd = 0.5 * g.y;
    return Line(g.x, even + odd, even - odd, g.z);
}

// B^T d
fn window_line(d: Line) -> Line {
    return Line(d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]);
}

// A^T m
fn output_line(m: Line) -> Made {
    return Made(m[0] + (m[1] + m[2]), (m[1] - m[2]) - m[3]);
}
