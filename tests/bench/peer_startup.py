"""Start to first result of Python with PyTorch."""
import subprocess
import sys
import time


def median(code):
    times = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - start)
    return sorted(times)[2]


print(f"RESULT name=startup value={median('import torch; print(1)'):.6f} unit=s import_torch")
print(f"RESULT name=startup_tensor value={median('import torch; print(torch.randn(3, 3) * 2)'):.6f} unit=s")
