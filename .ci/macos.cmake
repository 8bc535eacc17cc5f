# Cross compiles for macOS with zig, which brings Apple's headers and a libc++. TARGET is aarch64-macos or x86_64-macos,
# ZIG the compiler; both come from the environment, which CMake's own trial projects see, too.
set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_CXX_COMPILER "$ENV{ZIG}" c++ -target "$ENV{TARGET}")
set(CMAKE_OSX_SYSROOT "" CACHE STRING "" FORCE)
set(CMAKE_OSX_DEPLOYMENT_TARGET "" CACHE STRING "" FORCE)
# Nothing is installed or archived, so what edits Mach-O files is not needed.
set(CMAKE_INSTALL_NAME_TOOL true)
set(CMAKE_CXX_COMPILER_AR true)
set(CMAKE_CXX_COMPILER_RANLIB true)
