// Reductions over a workgroup in a fixed tree, so that the sum of the same
// numbers has the same bits in every run. The including file declares
// `override WG`, a power of two, and `var<workgroup> sh_reduce: array<f32, WG>`.
// Every invocation must call these, in uniform control flow; all get the result.

fn reduce_sum(local: u32, value: f32) -> f32 {
    workgroupBarrier();
    sh_reduce[local] = value;
    workgroupBarrier();
    for (var span = WG / 2u; span > 0u; span >>= 1u) {
        if local < span {
            sh_reduce[local] += sh_reduce[local + span];
        }
        workgroupBarrier();
    }
    return sh_reduce[0];
}

fn reduce_max(local: u32, value: f32) -> f32 {
    workgroupBarrier();
    sh_reduce[local] = value;
    workgroupBarrier();
    for (var span = WG / 2u; span > 0u; span >>= 1u) {
        if local < span {
            sh_reduce[local] = max(sh_reduce[local], sh_reduce[local + span]);
        }
        workgroupBarrier();
    }
    return sh_reduce[0];
}
