// Winograd's F(4, 3) in one dimension: four outputs of a filter of three from six elements, by six products. Points 0, 1, -1,
// 1/2, -2 and infinity (Barabasz et al., arXiv:1803.10986): half the error of the usual 0, 1, -1, 2, -2 and infinity.

const MADE: u32 = 4u; // outputs of a tile's side
const SIDE: u32 = 6u; // points of its side: MADE + 2
alias Line = array<f32, SIDE>;
alias Made = array<f32, MADE>;

// G g: the filter as a polynomial at each point, over the product of the point's distances from the others.
fn filter_line(g: vec3<f32>) -> Line {
    let even = g.x + g.z;
    let at_half = g.x + 0.5 * g.y + 0.25 * g.z;
    let at_two = g.x - 2.0 * g.y + 4.0 * g.z;
    return Line(g.x, (even + g.y) / 3.0, (g.y - even) / 3.0, at_half * (-16.0 / 15.0), at_two / 15.0, g.z);
}

// B^T d: row i holds the coefficients of the product of all x - point but the i-th; the last row, of all five.
fn window_line(d: Line) -> Line {
    let a = d[3] - d[1];
    let b = d[4] - d[2];
    return Line((d[0] - d[2]) + (b + 1.5 * a), (d[4] - d[1]) + (2.5 * d[3] + 0.5 * d[2]),
                (d[4] + d[1]) + (0.5 * d[3] - 2.5 * d[2]), b + 2.0 * a, b - 0.5 * a, (d[5] - d[3]) + (1.5 * b - a));
}

// A^T m: powers 0 to 3 of each point.
fn output_line(m: Line) -> Made {
    let even = m[1] + m[2];
    let odd = m[1] - m[2];
    return Made(m[0] + even + (m[3] + m[4]), odd + (0.5 * m[3] - 2.0 * m[4]), even + (0.25 * m[3] + 4.0 * m[4]),
                odd + (0.125 * m[3] - 8.0 * m[4]) + m[5]);
}
