# What surrounds every page.
layout-skip = Skip to content
layout-sections = Sections
layout-overview = Overview
layout-devices = Terminals
layout-packages = Packages
layout-rollouts = Updates
layout-settings = Settings
layout-signed-out = You were signed out. What is on this page may be old.
layout-sign-in-again = Sign in again
layout-theme = Change theme
layout-theme-title = Light, dark, or as the system has it. Now: { $theme }
layout-sign-out = Sign out
layout-language = Language
layout-connection-lost = The live connection is lost; what you see may be old. Trying again…

theme-light = light
theme-dark = dark
theme-auto = as the system

# Each language in its own words: the same in every file.
language-en = English
language-zh-CN = 简体中文
