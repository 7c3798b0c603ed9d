// Where the app begins.
import { render } from 'preact';
import { App } from './app';
import { start } from './core/live';
import { resume } from './core/place';
import './core/theme';
import './styles/base.css';
import './styles/shell.css';

const root = document.getElementById('app');
if (root) render(<App />, root);
start();
void resume();
