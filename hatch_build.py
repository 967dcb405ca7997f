"""The wheel bears the compiled kernel where a C compiler is; without one it is a wheel for every platform."""

import sysconfig
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOM = "shadowstream/native"


class KernelHook(BuildHookInterface):  # type: ignore[type-arg]  # of any builder's config
    """Compile the kernel into the wheel; an editable installation has the one of `make setup`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the library and the platform to a wheel."""
        self._folder = TemporaryDirectory()
        spec = spec_from_file_location("build", Path(self.root, ROOM, "build.py"))
        if version != "standard" or spec is None or spec.loader is None:
            return
        build = module_from_spec(spec)
        spec.loader.exec_module(build)
        try:
            path = build.build(Path(self._folder.name))
        except (build.NotBuiltError, OSError) as error:
            self.app.display_warning(f"the wheel has no native comparison, and Python does the same: {error}")
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["force_include"][str(path)] = f"{ROOM}/{path.name}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the library, which is in the wheel now."""
        self._folder.cleanup()
