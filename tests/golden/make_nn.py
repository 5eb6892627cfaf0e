"""Reference values for lt.nn, computed by PyTorch (and torchaudio's Conformer) in double precision.

    python tests/golden/make_nn.py        writes nn_<family>.safetensors and nn_names.json

A case stores the module's state ("<case>.state.<name>", PyTorch's own names), inputs (x1, ...),
outputs (y1, ...), gradients fed in (dy1, ...), gradients of the inputs (dx1, ...) and parameters
("grad.<name>"), the buffers afterwards ("after.<name>"), the first output in evaluation mode
("eval"), and for SGD and AdamW the losses of ten steps towards a target t and the output after
them ("sgd.loss", "sgd.y", "adamw.loss", "adamw.y").
"""
import importlib.util
import json
import os

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

# torchaudio's Conformer is plain Python; importing the whole package would want its own CUDA build.
found = importlib.util.find_spec("torchaudio").submodule_search_locations[0]
spec = importlib.util.spec_from_file_location("conformer", found + "/models/conformer.py")
conformer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(conformer)
Conformer, ConformerLayer = conformer.Conformer, conformer.ConformerLayer

torch.backends.mha.set_fastpath_enabled(False)  # it zeroes padded positions in evaluation mode
HERE = os.path.dirname(os.path.abspath(__file__))


def flat(result):
    if torch.is_tensor(result):
        return [result]
    return [t for part in result if part is not None for t in flat(part)]


class File:
    def __init__(self, name):
        self.path, self.tensors = os.path.join(HERE, name + ".safetensors"), {}
        torch.manual_seed(0)

    def put(self, key, t):
        t = t.detach().clone().contiguous()
        self.tensors[key] = t.float() if t.is_floating_point() else t

    def case(self, name, module, *inputs, call=None, steps=True, lr=0.05):
        """call(module, *inputs) runs the module; inputs are float32 or integers (ids, masks)."""
        call = call or (lambda m, *xs: m(*xs))
        with torch.no_grad():
            for p in module.parameters():           # also what begins at 0 or 1 shall matter
                p.add_(0.1 * torch.randn_like(p))
        module.float().double().train()
        start = {k: v.clone() for k, v in module.state_dict().items()}
        for k, v in start.items():
            self.put(f"{name}.state.{k}", v)
        xs = [x.double() if x.is_floating_point() else x for x in inputs]
        for i, x in enumerate(xs):
            self.put(f"{name}.x{i + 1}", x)
        first = self.gradients(name, module, call, xs)
        for k, v in module.named_buffers():
            self.put(f"{name}.after.{k}", v)
        with torch.no_grad():
            self.put(f"{name}.eval", flat(call(module.eval(), *xs))[0])
        if steps:
            target = torch.randn_like(first).float().double()
            self.put(f"{name}.t", target)
            for rule in ("sgd", "adamw"):
                module.load_state_dict(start)
                self.train(f"{name}.{rule}", module.train(), call, xs, target, rule, lr)

    def gradients(self, name, module, call, xs):
        leaves = [x.clone().requires_grad_() if x.is_floating_point() else x for x in xs]
        ys = flat(call(module, *leaves))
        total = 0
        for i, y in enumerate(ys):
            self.put(f"{name}.y{i + 1}", y)
            if y.requires_grad:
                dy = torch.randn_like(y).float().double()
                self.put(f"{name}.dy{i + 1}", dy)
                total = total + (y * dy).sum()
        total.backward()
        for i, x in enumerate(leaves):
            if x.is_floating_point():
                self.put(f"{name}.dx{i + 1}", x.grad)
        for k, p in module.named_parameters():
            self.put(f"{name}.grad.{k}", p.grad)
        module.zero_grad()
        return ys[0].detach()

    def train(self, name, module, call, xs, target, rule, lr):
        parameters = list(module.parameters())
        if not parameters:
            return
        if rule == "sgd":
            optimizer = torch.optim.SGD(parameters, lr=lr, momentum=0.9)
        else:
            # with eps 1e-8 an element whose gradient happens to be 1e-8 turns rounding into a full
            # step: PyTorch's own float32 is then 1.7e-4 away from its float64
            optimizer = torch.optim.AdamW(parameters, lr=0.2 * lr, weight_decay=0.01, eps=1e-5)
        losses = []
        for _ in range(10):
            loss = ((flat(call(module, *xs))[0] - target) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        self.put(f"{name}.loss", torch.tensor(losses, dtype=torch.float64))
        with torch.no_grad():
            self.put(f"{name}.y", flat(call(module, *xs))[0])

    def save(self):
        save_file(self.tensors, self.path)
        os.chmod(self.path, 0o644)
        print(self.path, os.path.getsize(self.path), "bytes")


def basics():
    f = File("nn_basic")
    f.case("linear", nn.Linear(5, 7), torch.randn(3, 4, 5))
    f.case("linear_plain", nn.Linear(5, 7, bias=False), torch.randn(4, 5))
    f.case("embedding", nn.Embedding(10, 4, padding_idx=2), torch.randint(0, 10, (3, 5)))
    f.case("mlp", nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3)), torch.randn(8, 6))
    for name, m in {
        "relu": nn.ReLU(), "leaky_relu": nn.LeakyReLU(0.2), "prelu": nn.PReLU(3), "elu": nn.ELU(1.5),
        "gelu": nn.GELU(), "gelu_tanh": nn.GELU(approximate="tanh"), "silu": nn.SiLU(),
        "sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(), "softplus": nn.Softplus(2, 10),
        "glu": nn.GLU(-1), "softmax": nn.Softmax(-1), "log_softmax": nn.LogSoftmax(1),
    }.items():
        f.case(name, m, 2 * torch.randn(2, 3, 4))
    f.case("flatten", nn.Flatten(), torch.randn(2, 3, 2, 2))
    f.save()


def pools():
    f = File("nn_pool")
    f.case("max_pool1d", nn.MaxPool1d(3, stride=2, padding=1), torch.randn(2, 3, 9))
    f.case("max_pool2d", nn.MaxPool2d(3, stride=2, padding=1), torch.randn(2, 3, 7, 9))
    f.case("avg_pool1d", nn.AvgPool1d(3, stride=2, padding=1), torch.randn(2, 3, 9))
    f.case("avg_pool2d", nn.AvgPool2d((2, 3)), torch.randn(2, 3, 6, 9))
    f.case("adaptive_avg_pool1d", nn.AdaptiveAvgPool1d(4), torch.randn(2, 3, 9))
    f.case("adaptive_avg_pool2d", nn.AdaptiveAvgPool2d((3, 2)), torch.randn(2, 3, 7, 5))
    f.case("adaptive_max_pool1d", nn.AdaptiveMaxPool1d(4), torch.randn(2, 3, 9))
    f.case("adaptive_max_pool2d", nn.AdaptiveMaxPool2d(2), torch.randn(2, 3, 7, 5))
    f.save()


def convolutions():
    f = File("nn_conv")
    f.case("conv1d", nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), torch.randn(2, 4, 11))
    f.case("conv1d_pointwise", nn.Conv1d(4, 6, 1), torch.randn(2, 4, 7))
    f.case("conv1d_depthwise", nn.Conv1d(6, 6, 5, padding=2, groups=6), torch.randn(2, 6, 9))
    f.case("conv1d_dilated", nn.Conv1d(3, 4, 3, dilation=2, padding="same"), torch.randn(2, 3, 9))
    f.case("conv2d", nn.Conv2d(3, 5, 3, padding=1), torch.randn(2, 3, 6, 7))
    f.case("conv2d_stride", nn.Conv2d(1, 4, 7, stride=2, padding=3, bias=False),
           torch.randn(2, 1, 9, 11))
    f.case("conv2d_mixed", nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(0, 1), dilation=(1, 2),
                                     groups=2), torch.randn(2, 4, 8, 7))
    f.case("conv_transpose1d", nn.ConvTranspose1d(4, 3, 4, stride=2, padding=1, output_padding=1),
           torch.randn(2, 4, 5))
    f.case("conv_transpose2d", nn.ConvTranspose2d(4, 6, 3, stride=(2, 1), padding=1, groups=2),
           torch.randn(2, 4, 4, 5))
    f.save()


def norms():
    f = File("nn_norm")
    relu_of = lambda m, x, r: F.relu(m(x) + r)
    f.case("batch_norm1d", nn.BatchNorm1d(4), 2 * torch.randn(6, 4) + 1)
    f.case("batch_norm1d_time", nn.BatchNorm1d(3, momentum=0.3, eps=1e-3), torch.randn(4, 3, 5))
    f.case("batch_norm1d_plain", nn.BatchNorm1d(3, affine=False), torch.randn(4, 3, 5))
    f.case("batch_norm2d", nn.BatchNorm2d(3), 2 * torch.randn(3, 3, 4, 5) - 1)
    f.case("batch_norm2d_average", nn.BatchNorm2d(3, momentum=None), torch.randn(3, 3, 4, 5))
    f.case("batch_norm2d_batch", nn.BatchNorm2d(3, track_running_stats=False),
           torch.randn(3, 3, 4, 5))
    f.case("batch_norm2d_relu", nn.BatchNorm2d(3), torch.randn(3, 3, 4, 5),
           call=lambda m, x: F.relu(m(x)))
    f.case("batch_norm2d_residual", nn.BatchNorm2d(3), torch.randn(3, 3, 4, 5),
           torch.randn(3, 3, 4, 5), call=relu_of)
    f.case("layer_norm", nn.LayerNorm(6), torch.randn(3, 4, 6))
    f.case("layer_norm_two", nn.LayerNorm([4, 6], eps=1e-3), torch.randn(3, 4, 6))
    f.case("layer_norm_plain", nn.LayerNorm(6, elementwise_affine=False), torch.randn(3, 6))
    f.case("layer_norm_weight", nn.LayerNorm(6, bias=False), torch.randn(3, 6))
    f.case("group_norm", nn.GroupNorm(2, 6), torch.randn(2, 6, 3, 4))
    f.case("group_norm_time", nn.GroupNorm(1, 4), torch.randn(2, 4, 7))
    f.case("instance_norm1d", nn.InstanceNorm1d(3, affine=True), torch.randn(2, 3, 8))
    f.case("instance_norm2d", nn.InstanceNorm2d(3), torch.randn(2, 3, 4, 5))
    f.save()


def recurrent():
    f = File("nn_recurrent")
    pair = lambda m, x, h, c: m(x, (h, c))
    f.case("lstm", nn.LSTM(4, 5), torch.randn(6, 3, 4))
    f.case("lstm_deep", nn.LSTM(4, 5, num_layers=2, bidirectional=True, batch_first=True),
           torch.randn(3, 6, 4), torch.randn(4, 3, 5), torch.randn(4, 3, 5), call=pair)
    f.case("lstm_plain", nn.LSTM(3, 4, bias=False, batch_first=True), torch.randn(2, 5, 3))
    f.case("gru", nn.GRU(4, 5), torch.randn(6, 3, 4))
    f.case("gru_deep", nn.GRU(4, 5, num_layers=2, bidirectional=True, batch_first=True),
           torch.randn(3, 6, 4), torch.randn(4, 3, 5))
    f.case("gru_plain", nn.GRU(3, 4, bias=False, batch_first=True), torch.randn(2, 5, 3))
    f.save()


def padding(*lengths, total):
    return torch.tensor([[i >= n for i in range(total)] for n in lengths])


def causal(n):
    return torch.ones(n, n, dtype=torch.bool).triu(1)


def attention():
    f = File("nn_attention")
    itself = lambda m, x: m(x, x, x, need_weights=False)[0]
    f.case("mha", nn.MultiheadAttention(8, 2), torch.randn(5, 3, 8), call=itself)
    f.case("mha_weights", nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(3, 5, 8),
           call=lambda m, x: m(x, x, x))
    f.case("mha_cross", nn.MultiheadAttention(8, 4, batch_first=True), torch.randn(2, 5, 8),
           torch.randn(2, 7, 8), call=lambda m, q, k: m(q, k, k, need_weights=False)[0])
    f.case("mha_apart", nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(2, 4, 8),
           torch.randn(2, 4, 8), torch.randn(2, 4, 8),
           call=lambda m, q, k, v: m(q, k, v, need_weights=False)[0])
    f.case("mha_dims", nn.MultiheadAttention(8, 2, kdim=5, vdim=6, batch_first=True),
           torch.randn(2, 4, 8), torch.randn(2, 3, 5), torch.randn(2, 3, 6),
           call=lambda m, q, k, v: m(q, k, v, need_weights=False)[0])
    f.case("mha_plain", nn.MultiheadAttention(8, 2, bias=False, batch_first=True),
           torch.randn(2, 4, 8), call=itself)
    f.case("mha_padding", nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(2, 5, 8),
           padding(5, 3, total=5),
           call=lambda m, x, p: m(x, x, x, key_padding_mask=p, need_weights=False)[0])
    f.case("mha_causal", nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(2, 5, 8),
           causal(5), call=lambda m, x, a: m(x, x, x, attn_mask=a, need_weights=False)[0])
    f.case("mha_bias", nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(2, 5, 8),
           call=lambda m, x: m(x, x, x, attn_mask=torch.arange(25).reshape(5, 5).double() / 10,
                               need_weights=False)[0])

    options = dict(dim_feedforward=12, dropout=0.0, batch_first=True)
    Layer, Decoder = nn.TransformerEncoderLayer, nn.TransformerDecoderLayer
    f.case("encoder", Layer(8, 2, **options), torch.randn(2, 5, 8))
    f.case("encoder_first", Layer(8, 2, activation="gelu", norm_first=True, **options),
           torch.randn(2, 5, 8))
    f.case("encoder_masks", Layer(8, 2, dim_feedforward=12, dropout=0.0), torch.randn(5, 2, 8),
           causal(5), padding(5, 3, total=5),
           call=lambda m, x, a, p: m(x, src_mask=a, src_key_padding_mask=p))
    f.case("encoder_stack", nn.TransformerEncoder(Layer(8, 2, **options), 2, nn.LayerNorm(8),
                                                  enable_nested_tensor=False),
           torch.randn(2, 5, 8), padding(5, 3, total=5),
           call=lambda m, x, p: m(x, src_key_padding_mask=p))
    f.case("decoder", Decoder(8, 2, **options), torch.randn(2, 4, 8), torch.randn(2, 6, 8),
           causal(4), call=lambda m, t, s, a: m(t, s, tgt_mask=a))
    f.case("decoder_first", Decoder(8, 2, activation="gelu", norm_first=True, **options),
           torch.randn(2, 4, 8), torch.randn(2, 6, 8), padding(6, 4, total=6),
           call=lambda m, t, s, p: m(t, s, memory_key_padding_mask=p))
    f.case("decoder_stack", nn.TransformerDecoder(Decoder(8, 2, **options), 2),
           torch.randn(2, 4, 8), torch.randn(2, 6, 8))
    f.save()


class Relative(nn.Module):
    """Transformer-XL's attention written element by element, with luatrain's names."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.depth = heads, width // heads
        self.in_proj_weight = nn.Parameter(torch.randn(3 * width, width) / width ** 0.5)
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        self.linear_pos = nn.Linear(width, width, bias=False)
        self.pos_bias_u = nn.Parameter(torch.randn(heads, self.depth))
        self.pos_bias_v = nn.Parameter(torch.randn(heads, self.depth))

    def forward(self, x):
        n, length, width = x.shape
        split = lambda t: t.reshape(n, length, self.heads, self.depth)
        q, k, v = map(split, F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, -1))
        distance = torch.arange(length)[:, None] - torch.arange(length)[None, :]
        angles = distance[..., None] * 10000 ** (-torch.arange(0, width, 2).double() / width)
        waves = torch.stack([angles.sin(), angles.cos()], -1).reshape(length, length, width)
        r = self.linear_pos(waves).reshape(length, length, self.heads, self.depth)
        scores = (torch.einsum("nihd,njhd->nhij", q + self.pos_bias_u, k)
                  + torch.einsum("nihd,ijhd->nhij", q + self.pos_bias_v, r)) / self.depth ** 0.5
        y = torch.einsum("nhij,njhd->nihd", scores.softmax(-1), v)
        return self.out_proj(y.reshape(n, length, width))


class Subsampling(nn.Module):
    def __init__(self, features, width, channels):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, channels, 3, 2, 1), nn.ReLU(),
                                  nn.Conv2d(channels, channels, 3, 2, 1), nn.ReLU())
        self.out = nn.Linear(channels * ((features + 3) // 4), width)

    def forward(self, x):
        y = self.conv(x[:, None])
        return self.out(y.transpose(1, 2).flatten(2))


def sinusoids(length, width):
    angles = torch.arange(length)[:, None] * 10000 ** (-torch.arange(0, width, 2).double() / width)
    return torch.stack([angles.sin(), angles.cos()], -1).reshape(length, width)


class Sinusoidal(nn.Module):
    def forward(self, x):
        return x + sinusoids(x.shape[1], x.shape[2])


class Learned(nn.Module):
    def __init__(self, width, length):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(length, width))

    def forward(self, x):
        return x + self.weight[:x.shape[1]]


def conformers():
    f = File("nn_conformer")
    swap = lambda m, x: m(x.transpose(0, 1), None).transpose(0, 1)
    masked = lambda m, x, p: m(x.transpose(0, 1), p).transpose(0, 1)
    f.case("conformer", ConformerLayer(8, 12, 2, 5), torch.randn(2, 7, 8), call=swap)
    f.case("conformer_first",
           ConformerLayer(8, 12, 2, 5, use_group_norm=True, convolution_first=True),
           torch.randn(2, 7, 8), padding(7, 4, total=7), call=masked)
    f.case("conformer_stack", Conformer(8, 2, 12, 2, 3), torch.randn(2, 6, 8),
           torch.tensor([6, 4]), call=lambda m, x, n: m(x, n)[0])
    f.case("relative", Relative(8, 2), torch.randn(2, 5, 8))
    f.case("subsampling", Subsampling(10, 8, 4), torch.randn(2, 9, 10))
    f.case("sinusoidal", Sinusoidal(), torch.randn(2, 5, 6))
    f.case("learned", Learned(6, 9), torch.randn(2, 5, 6))
    f.save()


class Block(nn.Module):
    """The basic block of He et al. 2015 with torchvision's names."""

    def __init__(self, a, b, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(a, b, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(b)
        self.conv2 = nn.Conv2d(b, b, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(b)
        if stride != 1 or a != b:
            self.downsample = nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False),
                                            nn.BatchNorm2d(b))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


class ResNet18(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        widths = [64, 64, 128, 256, 512]
        for i in range(4):
            layer = nn.Sequential(Block(widths[i], widths[i + 1], 1 if i == 0 else 2),
                                  Block(widths[i + 1], widths[i + 1]))
            setattr(self, f"layer{i + 1}", layer)
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


def noise(count, k):
    """The same numbers in Lua and Python, from -1 to 1."""
    t = torch.sin(torch.arange(count).double() * 12.9898 + k * 78.233) * 43758.5453
    return 2 * (t - t.floor()) - 1


def resnet():
    f = File("nn_resnet")
    f.case("block", Block(4, 4), torch.randn(2, 4, 5, 6))
    f.case("block_down", Block(3, 5, 2), torch.randn(3, 3, 6, 7))
    model = ResNet18(1, 10).double()
    with torch.no_grad():
        for k, (name, p) in enumerate(model.named_parameters()):
            n = noise(p.numel(), k + 1).reshape(p.shape)
            fan_in = p[0].numel()
            p.copy_((3 / fan_in) ** 0.5 * n if p.dim() > 1 else
                    (1 if name.endswith("weight") else 0) + 0.1 * n)
    x = noise(2 * 64 * 48, 0).reshape(2, 1, 64, 48).float().double()
    y = model.train()(x)
    loss = F.cross_entropy(y, torch.tensor([3, 7]))
    loss.backward()
    f.put("resnet18.y", y)
    f.put("resnet18.loss", loss)
    f.put("resnet18.conv1.weight", model.conv1.weight.grad)
    f.put("resnet18.layer2.0.bn2.weight", model.layer2[0].bn2.weight.grad)
    f.put("resnet18.layer4.1.conv2.weight", model.layer4[1].conv2.weight.grad[:2])
    f.put("resnet18.fc.bias", model.fc.bias.grad)
    f.put("resnet18.bn1.running_var", model.bn1.running_var)
    f.put("resnet18.eval", model.eval()(x))
    f.save()


def names():
    layer = nn.TransformerEncoderLayer(8, 2, 12)
    models = {
        "resnet18": ResNet18(3, 1000),
        "encoder_layer": layer,
        "encoder": nn.TransformerEncoder(layer, 2, nn.LayerNorm(8), enable_nested_tensor=False),
        "decoder_layer": nn.TransformerDecoderLayer(8, 2, 12),
        "lstm": nn.LSTM(4, 5, num_layers=2, bidirectional=True),
        "gru": nn.GRU(4, 5, num_layers=2),
        "attention_dims": nn.MultiheadAttention(8, 2, kdim=4, vdim=6),
        "conformer": Conformer(8, 2, 12, 2, 3),
        "sequential": nn.Sequential(nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), nn.ReLU(),
                                    nn.Sequential(nn.Linear(3, 4), nn.PReLU())),
    }
    table = {k: [[n, list(t.shape)] for n, t in m.state_dict().items()] for k, m in models.items()}
    with open(os.path.join(HERE, "nn_names.json"), "w") as out:
        json.dump(table, out, indent=0)
        out.write("\n")


if __name__ == "__main__":
    basics()
    pools()
    convolutions()
    norms()
    recurrent()
    attention()
    conformers()
    resnet()
    names()
