/** Decompresses the gzipped JSON that memtap sends. */
export async function unpacked<T>(packed: ArrayBuffer): Promise<T> {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return (await new Response(stream).json()) as T;
}
