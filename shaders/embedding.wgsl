// Rows of a table by index, and the gradient of the table.
// Formula: y[i] = table[index[i]], NaN where index[i] >= V; d_table[v] = sum of d_y[i] over the i with index[i] = v, in order of i.
// Shapes: table, d_table [V, ROW]; y, d_y [N, ROW]; index, keys, order, ranks [N]; counts, starts [BUCKETS, BLOCKS];
//         chunk_sums [CHUNKS]; carry [2, SEGMENTS, ROW]: a run's sum where it comes from the segment before, and where it starts and goes
//         on. ROW counts Wides, which are f32 or vec4<f32>.
// Launch: forward, zero: one invocation per Wide; clear: per counter; rank, scatter: per index; sum_chunks, start_counts: per
//         chunk of CHUNK counters; segment_sums, combine: per segment of LENGTH sorted indices and column. Folded into two dimensions.
// Source: a stable radix sort, Knuth, TAOCP volume 3, 5.2.5; the sums are derived in src/ops/embedding.rs.
// Numerics: f32, added in a fixed order; no atomics.
// include: lib/index

@group(0) @binding(0) var<storage, read> table: array<Wide>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read> keys: array<u32>;
@group(0) @binding(4) var<storage, read> order: array<u32>;
@group(0) @binding(5) var<storage, read> d_y: array<Wide>;
@group(0) @binding(6) var<storage, read> sums: array<Wide>; // carry, complete
@group(0) @binding(7) var<storage, read_write> counts: array<u32>;
@group(0) @binding(8) var<storage, read> counted: array<u32>; // counts, complete
@group(0) @binding(9) var<storage, read_write> ranks: array<u32>;
@group(0) @binding(10) var<storage, read> ranked: array<u32>; // ranks, complete
@group(0) @binding(11) var<storage, read_write> chunk_sums: array<u32>;
@group(0) @binding(12) var<storage, read> chunk_summed: array<u32>; // chunk_sums, complete
@group(0) @binding(13) var<storage, read_write> starts: array<u32>;
@group(0) @binding(14) var<storage, read> started: array<u32>; // starts, complete
@group(0) @binding(15) var<storage, read_write> next_keys: array<u32>;
@group(0) @binding(16) var<storage, read_write> next_order: array<u32>;
@group(0) @binding(17) var<storage, read_write> carry: array<Wide>;
@group(0) @binding(18) var<storage, read_write> d_table: array<Wide>;

override WG: u32 = 64u;
override V: u32;
override N: u32;
override ROW: u32;
override PADDING: u32;
override FIRST: bool; // the pass reads indices, not what a pass before it sorted
override SHIFT: u32;
override BUCKETS: u32;
override BLOCK: u32;
override BLOCKS: u32;
override CHUNK: u32;
override CHUNKS: u32;
override LENGTH: u32;
override SEGMENTS: u32;

@compute @workgroup_size(WG)
fn forward(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N * ROW { return; } // guard
    let row = index[i / ROW];
    // Bits that are no number; compilers refuse to spell NaN.
    var value = Wide(bitcast<f32>(row | 0x7fc00000u));
    if row < V {
        value = table[row * ROW + i % ROW];
    }
    put_wide(i, value);
}

// What is sorted: the index, or V where it gets no gradient.
fn key(i: u32) -> u32 {
    let k = keys[i];
    if FIRST {
        return select(k, V, k >= V || k == PADDING);
    }
    return k;
}

fn bucket(i: u32) -> u32 {
    return (key(i) >> SHIFT) & (BUCKETS - 1u);
}

@compute @workgroup_size(WG)
fn clear(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= BUCKETS * BLOCKS { return; } // guard
    counts[i] = 0u;
}

// How many of the same bucket stand before an index in its block; the last of
// them knows how many there are.
@compute @workgroup_size(WG)
fn rank(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N { return; } // guard
    let block = i / BLOCK;
    let own = bucket(i);
    var before = 0u;
    var all = 0u;
    for (var j = block * BLOCK; j < min((block + 1u) * BLOCK, N); j++) {
        let same = select(0u, 1u, bucket(j) == own);
        all += same;
        before += select(0u, same, j < i);
    }
    ranks[i] = before;
    if before + 1u == all {
        counts[own * BLOCKS + block] = all;
    }
}

@compute @workgroup_size(WG)
fn sum_chunks(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let chunk = flat_id(id, groups);
    if chunk >= CHUNKS { return; } // guard
    var sum = 0u;
    for (var c = chunk * CHUNK; c < min((chunk + 1u) * CHUNK, BUCKETS * BLOCKS); c++) {
        sum += counted[c];
    }
    chunk_sums[chunk] = sum;
}

// How many indices lie in all buckets and blocks before each.
@compute @workgroup_size(WG)
fn start_counts(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let chunk = flat_id(id, groups);
    if chunk >= CHUNKS { return; } // guard
    var sum = 0u;
    for (var c = 0u; c < chunk; c++) {
        sum += chunk_summed[c];
    }
    for (var c = chunk * CHUNK; c < min((chunk + 1u) * CHUNK, BUCKETS * BLOCKS); c++) {
        starts[c] = sum;
        sum += counted[c];
    }
}

@compute @workgroup_size(WG)
fn scatter(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= N { return; } // guard
    let to = started[bucket(i) * BLOCKS + i / BLOCK] + ranked[i];
    next_keys[to] = key(i);
    var from_row = i;
    if !FIRST { from_row = order[i]; }
    next_order[to] = from_row;
}

@compute @workgroup_size(WG)
fn zero(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= V * ROW { return; } // guard
    d_table[i] = Wide(0.0);
}

// Adds the rows of a segment, run by run. Runs that are whole go to the table.
@compute @workgroup_size(WG)
fn segment_sums(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= SEGMENTS * ROW { return; } // guard
    let column = i % ROW;
    let first = i / ROW * LENGTH;
    let end = min(first + LENGTH, N);
    var run = keys[first];
    var head = false;
    if first > 0u { head = keys[first - 1u] == run; }
    var sum = Wide(0.0);
    for (var j = first; j < end; j++) {
        let k = keys[j];
        if k != run {
            if head {
                carry[i] = sum;
            } else if run < V {
                d_table[run * ROW + column] = sum;
            }
            head = false;
            run = k;
            sum = Wide(0.0);
        }
        if k < V {
            sum += d_y[order[j] * ROW + column];
        }
    }
    var goes_on = false;
    if end < N { goes_on = keys[end] == run; }
    if head {
        carry[i] = sum;
    } else if goes_on {
        carry[SEGMENTS * ROW + i] = sum;
    } else if run < V {
        d_table[run * ROW + column] = sum;
    }
}

// Completes the run that starts in a segment and goes on.
@compute @workgroup_size(WG)
fn combine(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_id(id, groups);
    if i >= SEGMENTS * ROW { return; } // guard
    let first = i / ROW * LENGTH;
    let end = first + LENGTH;
    if end >= N { return; } // nothing follows, no barrier below
    let run = keys[end];
    var starts_here = keys[end - 1u] == run && run < V;
    if first > 0u { starts_here = starts_here && keys[first - 1u] != run; }
    if !starts_here { return; } // no barrier below
    var sum = sums[SEGMENTS * ROW + i];
    for (var s = i / ROW + 1u; s < SEGMENTS; s++) {
        if keys[s * LENGTH] != run { break; }
        sum += sums[s * ROW + i % ROW];
    }
    d_table[run * ROW + i % ROW] = sum;
}
