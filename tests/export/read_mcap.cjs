// Reads an MCAP file with Foxglove's own library and prints what it holds as one line of JSON.
// Packages, in the folder that UNISCENE_NODE_MODULES names: @mcap/core, @mcap/nodejs, @foxglove/wasm-zstd, lz4js,
// @foxglove/rosmsg, @foxglove/rosmsg2-serialization, protobufjs.
const { createRequire } = require("node:module");
const { createHash } = require("node:crypto");
const { open } = require("node:fs/promises");
const load = createRequire(process.env.UNISCENE_NODE_MODULES + "/index.js");
const { McapIndexedReader } = load("@mcap/core");
const { FileHandleReadable } = load("@mcap/nodejs");
const zstd = load("@foxglove/wasm-zstd");
const lz4 = load("lz4js");
const { parse } = load("@foxglove/rosmsg");
const { MessageReader } = load("@foxglove/rosmsg2-serialization");
const protobuf = load("protobufjs");
load("protobufjs/ext/descriptor");

function decoderOf(schema) {
  if (schema.encoding === "protobuf") {
    const root = protobuf.Root.fromDescriptor(schema.data);
    const type = root.lookupType(schema.name);
    return (data) => type.toObject(type.decode(data), { longs: Number, defaults: true });
  }
  const reader = new MessageReader(parse(new TextDecoder().decode(schema.data), { ros2: true }));
  return (data) => reader.readMessage(data);
}

function sumOfX(data, stride) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let sum = 0;
  for (let at = 0; at < data.byteLength; at += stride) sum += view.getFloat32(at, true);
  return sum;
}

function summary(message) {
  const transform = message.transforms?.[0];
  if (transform) return { x: (transform.transform ?? transform).translation.x };
  const stride = message.pointStride ?? message.point_stride ?? message.point_step;
  if (stride) return { width: message.data.length / stride, sum_x: sumOfX(message.data, stride) };
  if (message.k) return { k: Array.from(message.k) };
  if (message.agents) return { agents: agentsOf(message) };
  if (message.digests) return { digests: message.digests };
  if (message.data?.length) return { sha256: createHash("sha256").update(message.data).digest("hex") };
  return {};
}

function agentsOf(message) {
  const agents = message.agents;
  return Array.isArray(agents) ? agents.length : Object.values(agents)[0].length;
}

async function main() {
  await zstd.isLoaded;
  const reader = await McapIndexedReader.Initialize({
    readable: new FileHandleReadable(await open(process.argv[2])),
    decompressHandlers: {
      zstd: (data, size) => zstd.decompress(data, Number(size)),
      lz4: (data, size) => lz4.decompress(data, Number(size)),
    },
  });
  const topics = {}, decoders = {};
  for await (const message of reader.readMessages()) {
    const channel = reader.channelsById.get(message.channelId);
    decoders[channel.id] ??= decoderOf(reader.schemasById.get(channel.schemaId));
    const found = (topics[channel.topic] ??= { count: 0 });
    found.count += 1;
    found.last = summary(decoders[channel.id](message.data));
  }
  console.log(JSON.stringify({ profile: reader.header.profile, topics }));
}

main();
