"""What TensorBoard itself reads from a folder with events, as JSON: tensorboard_peer.py FOLDER

Uses TensorBoard's loader and its migration of old forms (data_compat), as its data server does.
"""
import glob
import io
import json
import sys
import wave

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util

found = {}
for path in sorted(glob.glob(sys.argv[1] + "/events.out.tfevents.*")):
    for event in EventFileLoader(path).Load():
        for value in event.summary.value:
            plugin = value.metadata.plugin_data
            entry = {"step": event.step, "plugin": plugin.plugin_name}
            if plugin.plugin_name == "hparams":
                data = plugin_data_pb2.HParamsPluginData.FromString(plugin.content)
                entry["which"] = data.WhichOneof("data")
                entry["hparams"] = {k: v.number_value or v.string_value or v.bool_value
                                    for k, v in data.session_start_info.hparams.items()}
            else:
                array = tensor_util.make_ndarray(value.tensor)
                entry["shape"] = list(array.shape)
                if plugin.plugin_name == "scalars":
                    entry["value"] = float(array)
                elif plugin.plugin_name == "histograms":
                    entry["rows"] = array.tolist()
                elif plugin.plugin_name == "text":
                    entry["text"] = array.ravel()[0].decode()
                elif plugin.plugin_name == "images":
                    from PIL import Image
                    image = Image.open(io.BytesIO(array[2]))
                    entry["size"], entry["mode"] = [int(array[0]), int(array[1])] + list(image.size), image.mode
                    entry["pixels"] = list(image.tobytes())
                elif plugin.plugin_name == "audio":
                    with wave.open(io.BytesIO(array[0][0])) as clip:
                        entry["rate"], entry["frames"] = clip.getframerate(), clip.getnframes()
                        entry["bytes"] = list(clip.readframes(4))
            found.setdefault(value.tag, []).append(entry)
print(json.dumps(found))
