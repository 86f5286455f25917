// Arithmetic on two numbers beyond the operators.
// Source: formulas in src/ops/binary.rs; the remainder by shifts and subtractions after musl's fmodf.

fn operand_is_nan(v: f32) -> bool {
    return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u;
}

// NaN, from a number, because WGSL has no such constant.
fn undefined_like(v: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(v) | 0x7fc00000u);
}

fn larger_of(a: f32, b: f32) -> f32 {
    return select(a, b, operand_is_nan(b) || (b > a && !operand_is_nan(a)));
}

fn smaller_of(a: f32, b: f32) -> f32 {
    return select(a, b, operand_is_nan(b) || (b < a && !operand_is_nan(a)));
}

// 1 where a > b, 1/2 where they are equal, 0 where a < b.
fn share_of(a: f32, b: f32) -> f32 {
    return select(select(1.0, 0.5, a == b), 0.0, a < b);
}

fn power_of(a: f32, b: f32) -> f32 {
    let m = abs(a);
    let whole = floor(b) == b;
    let e = abs(b);
    if b == 0.0 || a == 1.0 {
        return 1.0;
    }
    if operand_is_nan(a) || operand_is_nan(b) {
        return undefined_like(a);
    }
    var y = 1.0;
    if whole && e <= 64.0 {
        // By squares: whole powers of whole numbers are exact.
        var square = m;
        for (var rest = u32(e); rest > 0u; rest >>= 1u) {
            if (rest & 1u) == 1u {
                y *= square;
            }
            square *= square;
        }
        y = select(y, 1.0 / y, b < 0.0);
    } else if m != 1.0 {
        y = exp2(b * log2(m));
    }
    if (bitcast<u32>(a) & 0x80000000u) == 0u {
        return y;
    }
    // Half of an odd number is not whole. Infinity is even, and so is what is above 2^24.
    let odd = whole && floor(0.5 * b) != 0.5 * b;
    if !whole && m != 0.0 && (bitcast<u32>(m) != 0x7f800000u) {
        return undefined_like(a);
    }
    return select(y, -y, odd);
}

// What is left of a / b towards zero, exactly; has the sign of a.
fn remainder_of(a: f32, b: f32) -> f32 {
    let sign_bit = bitcast<u32>(a) & 0x80000000u;
    var x = bitcast<u32>(a) & 0x7fffffffu;
    let y = bitcast<u32>(b) & 0x7fffffffu;
    if y == 0u || y > 0x7f800000u || x >= 0x7f800000u {
        return undefined_like(a);
    }
    if x < y {
        return a;
    }
    // Exponents count from 1, and mantissas have their leading bit unless they are subnormal.
    let ey = max(y >> 23u, 1u);
    let my = (y & 0x7fffffu) | (min(y >> 23u, 1u) << 23u);
    let ex = max(x >> 23u, 1u);
    var mx = ((x & 0x7fffffu) | (min(x >> 23u, 1u) << 23u)) % my;
    for (var k = ey; k < ex; k++) {
        mx = (mx << 1u) % my;
    }
    if mx == 0u {
        return bitcast<f32>(sign_bit);
    }
    // Back to the form of a float: at most to the leading bit, and to the least exponent.
    let up = min(countLeadingZeros(mx) - 8u, ey - 1u);
    let e = select(ey - up, 0u, (mx << up) < 0x800000u);
    x = (e << 23u) | ((mx << up) & 0x7fffffu);
    return bitcast<f32>(sign_bit | x);
}

// The same towards minus infinity; has the sign of b.
fn modulo_of(a: f32, b: f32) -> f32 {
    let r = remainder_of(a, b);
    return select(r, r + b, r != 0.0 && (r < 0.0) != (b < 0.0));
}
